// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {IConsentRegistry} from "./IConsentRegistry.sol";
import {Passkey, PasskeyAssertion, PasskeyVerifier} from "./Passkey.sol";

/**
 * @title Keys of patients: who signs for an account, whom it names as delegates, how it is recovered.
 * @dev Part of ConsentRegistry; see IConsentRegistry. Owns the seals of active policies too, for a new key seals them again.
 */
abstract contract PatientAccounts is IConsentRegistry, EIP712 {
    using PasskeyAssertion for Passkey;

    bytes32 private constant CHANGE_KEY_TYPEHASH =
        keccak256("ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline)");
    bytes32 private constant DELEGATE_TYPEHASH =
        keccak256("Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline)");
    bytes32 private constant RECOVERY_TYPEHASH =
        keccak256("Recovery(bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline)");
    bytes32 private constant RECOVER_TYPEHASH =
        keccak256("Recover(bytes32 patient,address next,uint32 index,uint64 deadline)");
    bytes32 private constant CANCEL_RECOVERY_TYPEHASH = keccak256("CancelRecovery(bytes32 patient,uint32 index)");

    struct Account {
        address key;
        uint32 filings;
    }

    struct Recovery {
        address key;
        uint32 delayS;
        uint64 readyAt;
        address next;
    }

    PasskeyVerifier public immutable PASSKEYS;

    mapping(bytes32 patient => Account) internal _accounts;

    /// @dev keccak256(policy ‖ key) of an active policy, zero for a revoked one: a revocation reads and clears this one slot.
    mapping(bytes32 patient => mapping(uint32 index => bytes32)) internal _active;

    mapping(bytes32 patient => Recovery) private _recoveries;

    /// @dev Until when; by the key that made the delegate, so that a new key begins without any.
    mapping(bytes32 patient => mapping(address key => mapping(address delegate => uint64))) private _keyUntil;
    mapping(bytes32 patient => mapping(address key => mapping(bytes16 actor => uint64))) private _actorUntil;

    constructor(PasskeyVerifier passkeys) EIP712("ConsentRegistry", "1") {
        PASSKEYS = passkeys;
    }

    /// @inheritdoc IConsentRegistry
    function changeKey(
        bytes32 patient,
        address key,
        bytes32[] calldata policies,
        uint64 deadline,
        CompactSignature calldata signature
    ) external {
        Account memory account = _accounts[patient];
        bytes32 structHash = keccak256(abi.encode(CHANGE_KEY_TYPEHASH, patient, key, account.filings, deadline));
        _requireKey(patient, account, deadline, _recover(patient, structHash, signature));
        _handOver(patient, account, key, policies);
    }

    /// @inheritdoc IConsentRegistry
    function changeKeyWithPasskey(
        bytes32 patient,
        address key,
        bytes32[] calldata policies,
        uint64 deadline,
        Passkey calldata passkey
    ) external {
        Account memory account = _accounts[patient];
        bytes32 structHash = keccak256(abi.encode(CHANGE_KEY_TYPEHASH, patient, key, account.filings, deadline));
        _requireKey(patient, account, deadline, _verify(patient, structHash, passkey));
        _handOver(patient, account, key, policies);
    }

    /// @inheritdoc IConsentRegistry
    function delegate(
        bytes32 patient,
        address key,
        bytes16 actor,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external {
        Account memory account = _accounts[patient];
        bytes32 structHash =
            keccak256(abi.encode(DELEGATE_TYPEHASH, patient, key, actor, until, account.filings, deadline));
        _requireKeyOrOpen(patient, account, deadline, _signerOf(patient, structHash, signature));
        _useIndex(patient, account);
        if (key != address(0)) _keyUntil[patient][account.key][key] = until;
        if (actor != bytes16(0)) _actorUntil[patient][account.key][actor] = until;
        emit DelegateChanged(patient, key, actor, until);
    }

    /// @inheritdoc IConsentRegistry
    function setRecovery(bytes32 patient, address key, uint32 delayS, uint64 deadline, bytes calldata signature)
        external
    {
        Account memory account = _accounts[patient];
        bytes32 structHash =
            keccak256(abi.encode(RECOVERY_TYPEHASH, patient, key, delayS, account.filings, deadline));
        _requireKeyOrOpen(patient, account, deadline, _signerOf(patient, structHash, signature));
        _useIndex(patient, account);
        _recoveries[patient] = Recovery(key, delayS, 0, address(0));
        emit RecoveryChanged(patient, key, delayS);
    }

    /// @inheritdoc IConsentRegistry
    function startRecovery(bytes32 patient, address next, uint64 deadline, CompactSignature calldata signature)
        external
    {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (next == address(0)) revert ConsentRegistryNoKey(patient);
        Account memory account = _accounts[patient];
        Recovery storage recovery = _recoveries[patient];
        bytes32 structHash = keccak256(abi.encode(RECOVER_TYPEHASH, patient, next, account.filings, deadline));
        address signer = _recover(patient, structHash, signature);
        if (signer != recovery.key) revert ConsentRegistryNotRecoveryKey(patient, signer);
        _useIndex(patient, account);
        recovery.next = next;
        recovery.readyAt = uint64(block.timestamp) + recovery.delayS;
        emit RecoveryStarted(patient, next, recovery.readyAt);
    }

    /// @inheritdoc IConsentRegistry
    function cancelRecovery(bytes32 patient, bytes calldata signature) external {
        Account memory account = _accounts[patient];
        bytes32 structHash = keccak256(abi.encode(CANCEL_RECOVERY_TYPEHASH, patient, account.filings));
        _requireKey(patient, account, type(uint64).max, _signerOf(patient, structHash, signature));
        Recovery storage recovery = _recoveries[patient];
        if (recovery.next == address(0)) revert ConsentRegistryNoRecovery(patient);
        _useIndex(patient, account);
        recovery.next = address(0);
        recovery.readyAt = 0;
        emit RecoveryCancelled(patient);
    }

    /// @inheritdoc IConsentRegistry
    function finishRecovery(bytes32 patient, bytes32[] calldata policies) external {
        Recovery memory recovery = _recoveries[patient];
        if (recovery.next == address(0)) revert ConsentRegistryNoRecovery(patient);
        if (block.timestamp < recovery.readyAt) revert ConsentRegistryTooEarly(patient, recovery.readyAt);
        delete _recoveries[patient];
        _handOver(patient, _accounts[patient], recovery.next, policies);
    }

    /// @inheritdoc IConsentRegistry
    function accountOf(bytes32 patient) external view returns (address key, uint32 filings) {
        Account memory account = _accounts[patient];
        return (account.key, account.filings);
    }

    /// @inheritdoc IConsentRegistry
    function delegateOf(bytes32 patient, address key, bytes16 actor)
        external
        view
        returns (uint64 keyUntil, uint64 actorUntil)
    {
        address own = _accounts[patient].key;
        return (_keyUntil[patient][own][key], _actorUntil[patient][own][actor]);
    }

    /// @inheritdoc IConsentRegistry
    function recoveryOf(bytes32 patient)
        external
        view
        returns (address key, uint32 delayS, address next, uint64 readyAt)
    {
        Recovery memory recovery = _recoveries[patient];
        return (recovery.key, recovery.delayS, recovery.next, recovery.readyAt);
    }

    /// @dev ECDSA refuses signatures with a high s.
    function _recover(bytes32 patient, bytes32 structHash, CompactSignature calldata signature)
        internal
        view
        returns (address)
    {
        (address signer, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(_hashTypedDataV4(structHash), signature.r, signature.vs);
        if (problem != ECDSA.RecoverError.NoError) revert ConsentRegistryInvalidSignature(patient);
        return signer;
    }

    function _verify(bytes32 patient, bytes32 structHash, Passkey calldata passkey) internal view returns (address) {
        bytes32 message = passkey.messageOf(_hashTypedDataV4(structHash));
        bool isValid =
            message != bytes32(0) && PASSKEYS.isValid(message, passkey.r, passkey.s, passkey.x, passkey.y);
        if (!isValid) revert ConsentRegistryInvalidSignature(patient);
        return passkey.nameOf();
    }

    function _isDelegate(bytes32 patient, address key, address signer) internal view returns (bool) {
        return block.timestamp < _keyUntil[patient][key][signer];
    }

    function _seal(bytes32 policy, address key) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0x00, policy)
            mstore(0x20, key)
            result := keccak256(0x00, 0x40)
        }
    }

    /// @dev Until when `actor` is a delegate, seconds since 1970; 0: never was.
    function _actorDelegateUntil(bytes32 patient, bytes16 actor) internal view returns (uint64) {
        return _actorUntil[patient][_accounts[patient].key][actor];
    }

    /// @dev Seals every active policy with the new key. Uses up an index, so that no signature comes back when a key comes back.
    function _handOver(bytes32 patient, Account memory account, address key, bytes32[] calldata policies) private {
        if (key == address(0)) revert ConsentRegistryNoKey(patient);
        uint256 given = 0;
        for (uint32 index = 0; index < account.filings; ++index) {
            bytes32 sealedPolicy = _active[patient][index];
            if (sealedPolicy == bytes32(0)) continue;
            if (given == policies.length) revert ConsentRegistryPoliciesIncomplete(patient, given);
            if (sealedPolicy != _seal(policies[given], account.key)) {
                revert ConsentRegistryPolicyMismatch(patient, index);
            }
            _active[patient][index] = _seal(policies[given], key);
            ++given;
        }
        if (given != policies.length) revert ConsentRegistryTooManyPolicies(patient, policies.length);
        account.key = key;
        _useIndex(patient, account);
        emit KeyChanged(patient, key);
    }

    function _useIndex(bytes32 patient, Account memory account) private {
        _accounts[patient] = Account({key: account.key, filings: account.filings + 1});
    }

    function _requireKey(bytes32 patient, Account memory account, uint64 deadline, address signer) private view {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (signer != account.key) revert ConsentRegistryNotKey(patient, signer);
    }

    /// @dev The same for what may be the first that a patient says.
    function _requireKeyOrOpen(bytes32 patient, Account memory account, uint64 deadline, address signer) private {
        if (account.key == address(0)) _open(patient, account, signer);
        _requireKey(patient, account, deadline, signer);
    }

    /// @dev Whoever signs the first statement of a patient has her account, if an organisation of the network relays it.
    function _open(bytes32 patient, Account memory account, address signer) internal {
        if (!_isRelay(msg.sender)) revert ConsentRegistryNotRelay(msg.sender);
        account.key = signer;
        emit KeyChanged(patient, signer);
    }

    function _isRelay(address sender) internal view virtual returns (bool);

    /// @dev Either form of a signature: 64 bytes (r, vs), or an ABI-encoded Passkey.
    function _signerOf(bytes32 patient, bytes32 structHash, bytes calldata signature) private view returns (address) {
        if (signature.length == 64) {
            CompactSignature calldata compact;
            assembly ("memory-safe") {
                compact := signature.offset
            }
            return _recover(patient, structHash, compact);
        }
        // The tuple stands behind its offset, which is 32.
        if (signature.length < 32 || bytes32(signature[:32]) != bytes32(uint256(32))) {
            revert ConsentRegistryInvalidSignature(patient);
        }
        Passkey calldata passkey;
        assembly ("memory-safe") {
            passkey := add(signature.offset, 32)
        }
        return _verify(patient, structHash, passkey);
    }
}
