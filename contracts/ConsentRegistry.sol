// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";
import {ConsentDecisions} from "./ConsentDecisions.sol";
import {EmergencyAccess} from "./EmergencyAccess.sol";
import {GroupRegistry} from "./GroupRegistry.sol";
import {IConsentRegistry} from "./IConsentRegistry.sol";
import {INetwork} from "./INetwork.sol";
import {Passkey, PasskeyVerifier} from "./Passkey.sol";

/**
 * @title Active consent policies and their decisions: see IConsentRegistry.
 * @dev Keys of patients in PatientAccounts, decisions in ConsentDecisions; here policies are filed and revoked.
 */
contract ConsentRegistry is ConsentDecisions {
    bytes32 private constant FILE_TYPEHASH = keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)");
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 patient,bytes32 policy,uint32 index)");

    INetwork public immutable NETWORK;

    /// @dev Creates the contracts that it asks, in this order: their addresses follow from its own.
    constructor(INetwork network)
        ConsentDecisions(new PasskeyVerifier(), new GroupRegistry(network), new EmergencyAccess(network, this))
    {
        NETWORK = network;
    }

    /// @inheritdoc IConsentRegistry
    function file(bytes32 patient, bytes32 policy, uint64 deadline, CompactSignature calldata signature)
        external
        returns (uint32 index)
    {
        Account memory account = _accounts[patient];
        index = account.filings;
        bytes32 structHash = keccak256(abi.encode(FILE_TYPEHASH, patient, policy, index, deadline));
        _file(patient, policy, deadline, account, _recover(patient, structHash, signature));
    }

    /// @inheritdoc IConsentRegistry
    function fileWithPasskey(bytes32 patient, bytes32 policy, uint64 deadline, Passkey calldata passkey)
        external
        returns (uint32 index)
    {
        Account memory account = _accounts[patient];
        index = account.filings;
        bytes32 structHash = keccak256(abi.encode(FILE_TYPEHASH, patient, policy, index, deadline));
        _file(patient, policy, deadline, account, _verify(patient, structHash, passkey));
    }

    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, uint32 index, bytes32 policy, CompactSignature calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(REVOKE_TYPEHASH, patient, policy, index));
        _revoke(patient, index, policy, _recover(patient, structHash, signature));
    }

    /// @inheritdoc IConsentRegistry
    function revokeWithPasskey(bytes32 patient, uint32 index, bytes32 policy, Passkey calldata passkey) external {
        bytes32 structHash = keccak256(abi.encode(REVOKE_TYPEHASH, patient, policy, index));
        _revoke(patient, index, policy, _verify(patient, structHash, passkey));
    }

    /// @inheritdoc IConsentRegistry
    function isActive(bytes32 patient, uint32 index, bytes32 policy) external view returns (bool) {
        return _active[patient][index] == _seal(policy, _accounts[patient].key);
    }

    function _file(bytes32 patient, bytes32 policy, uint64 deadline, Account memory account, address signer) private {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (account.key == address(0)) {
            _open(patient, account, signer);
        } else if (signer != account.key && !_isDelegate(patient, account.key, signer)) {
            revert ConsentRegistryNotKey(patient, signer);
        }
        uint32 index = account.filings;
        account.filings = index + 1;
        _accounts[patient] = account;
        _active[patient][index] = _seal(policy, account.key);
        emit ConsentFiled(patient, index, policy);
    }

    function _isRelay(address sender) internal view override returns (bool) {
        return NETWORK.isRelay(sender);
    }

    function _revoke(bytes32 patient, uint32 index, bytes32 policy, address signer) private {
        mapping(uint32 => bytes32) storage active = _active[patient];
        bytes32 sealedPolicy = active[index];
        if (sealedPolicy != _seal(policy, signer)) {
            address key = _accounts[patient].key;
            if (sealedPolicy != _seal(policy, key) || !_isDelegate(patient, key, signer)) {
                revert ConsentRegistryNotActive(patient, index);
            }
        }
        active[index] = bytes32(0);
        emit ConsentRevoked(patient, index);
    }
}
