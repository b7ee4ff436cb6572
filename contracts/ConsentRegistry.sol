// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {EmergencyAccess} from "./EmergencyAccess.sol";
import {GroupRegistry} from "./GroupRegistry.sol";
import {IConsentRegistry} from "./IConsentRegistry.sol";
import {IEmergencyAccess} from "./IEmergencyAccess.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {INetwork} from "./INetwork.sol";
import {Passkey, PasskeyVerifier} from "./Passkey.sol";
import {PolicyEvaluator} from "./PolicyEvaluator.sol";

/// @title Active consent policies and their decisions: see IConsentRegistry.
contract ConsentRegistry is IConsentRegistry, EIP712 {
    using PolicyEvaluator for bytes;

    bytes32 private constant FILE_TYPEHASH = keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)");
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 patient,bytes32 policy,uint32 index)");
    bytes32 private constant CHANGE_KEY_TYPEHASH =
        keccak256("ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline)");
    bytes32 private constant DELEGATE_TYPEHASH =
        keccak256("Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline)");
    bytes32 private constant RECOVERY_TYPEHASH =
        keccak256("Recovery(bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline)");
    bytes32 private constant RECOVER_TYPEHASH =
        keccak256("Recover(bytes32 patient,address next,uint32 index,uint64 deadline)");
    bytes32 private constant CANCEL_RECOVERY_TYPEHASH = keccak256("CancelRecovery(bytes32 patient,uint32 index)");
    uint32 private constant NO_POLICY = type(uint32).max;
    uint256 private constant MAX_POLICIES = 256;

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

    /// @dev What one policy says about one request.
    struct Finding {
        uint32 index;
        Reason reason;
        PolicyEvaluator.Effect effect;
        bytes16 group;
        uint64 time;
        bytes32 path;
        bool isWithdrawn;
        bool isPending;
    }

    INetwork public immutable NETWORK;
    IGroupRegistry public immutable GROUPS;
    IEmergencyAccess public immutable EMERGENCY;
    PasskeyVerifier public immutable PASSKEYS;

    mapping(bytes32 patient => Account) private _accounts;

    /// @dev keccak256(policy ‖ key) of an active policy, zero for a revoked one: a revocation reads and clears this one slot.
    mapping(bytes32 patient => mapping(uint32 index => bytes32)) private _active;

    mapping(bytes32 patient => Recovery) private _recoveries;

    /// @dev Until when; by the key that made the delegate, so that a new key begins without any.
    mapping(bytes32 patient => mapping(address key => mapping(address delegate => uint64))) private _keyUntil;
    mapping(bytes32 patient => mapping(address key => mapping(bytes16 actor => uint64))) private _actorUntil;

    /// @dev Creates the contracts that it asks, in this order: their addresses follow from its own.
    constructor(INetwork network) EIP712("ConsentRegistry", "1") {
        NETWORK = network;
        PASSKEYS = new PasskeyVerifier();
        GROUPS = new GroupRegistry(network);
        EMERGENCY = new EmergencyAccess(network, this);
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
        _requireKey(patient, account, deadline, _signerOf(patient, structHash, signature));
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
        _requireKey(patient, account, deadline, _signerOf(patient, structHash, signature));
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
    function decideAll(Question[] calldata questions)
        external
        view
        returns (uint256 blockNumber, Decision[] memory decisions)
    {
        uint256 count = 0;
        for (uint256 q = 0; q < questions.length; ++q) count += questions[q].requests.length;
        decisions = new Decision[](count);
        count = 0;
        for (uint256 q = 0; q < questions.length; ++q) {
            Finding[] memory findings = _findings(questions[q]);
            for (uint256 r = 0; r < questions[q].requests.length; ++r) {
                decisions[count++] = _decide(questions[q], findings, questions[q].requests[r]);
            }
        }
        blockNumber = block.number;
    }

    /// @notice Evaluates one policy; external so that malformed bytes end this call only.
    function evaluate(bytes calldata policy, Request calldata request)
        external
        view
        returns (PolicyEvaluator.Effect effect, bytes32 path)
    {
        return policy.evaluate(request, GROUPS);
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

    /// @inheritdoc IConsentRegistry
    function isActive(bytes32 patient, uint32 index, bytes32 policy) external view returns (bool) {
        return _active[patient][index] == _seal(policy, _accounts[patient].key);
    }

    function _file(bytes32 patient, bytes32 policy, uint64 deadline, Account memory account, address signer) private {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (account.key == address(0)) {
            if (!NETWORK.isRelay(msg.sender)) revert ConsentRegistryNotRelay(msg.sender);
            account.key = signer;
            emit KeyChanged(patient, signer);
        } else if (signer != account.key && !_isDelegate(patient, account.key, signer)) {
            revert ConsentRegistryNotKey(patient, signer);
        }
        uint32 index = account.filings;
        account.filings = index + 1;
        _accounts[patient] = account;
        _active[patient][index] = _seal(policy, account.key);
        emit ConsentFiled(patient, index, policy);
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

    function _isDelegate(bytes32 patient, address key, address signer) private view returns (bool) {
        return block.timestamp < _keyUntil[patient][key][signer];
    }

    function _requireKey(bytes32 patient, Account memory account, uint64 deadline, address signer) private view {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (signer != account.key) revert ConsentRegistryNotKey(patient, signer);
    }

    function _seal(bytes32 policy, address key) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            mstore(0x00, policy)
            mstore(0x20, key)
            result := keccak256(0x00, 0x40)
        }
    }

    /// @dev ECDSA refuses signatures with a high s.
    function _recover(bytes32 patient, bytes32 structHash, CompactSignature calldata signature)
        private
        view
        returns (address)
    {
        (address signer, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(_hashTypedDataV4(structHash), signature.r, signature.vs);
        if (problem != ECDSA.RecoverError.NoError) revert ConsentRegistryInvalidSignature(patient);
        return signer;
    }

    function _verify(bytes32 patient, bytes32 structHash, Passkey calldata passkey) private view returns (address signer) {
        signer = PASSKEYS.signerOf(_hashTypedDataV4(structHash), passkey);
        if (signer == address(0)) revert ConsentRegistryInvalidSignature(patient);
    }

    /// @dev Either form of a signature: 64 bytes (r, vs), or an ABI-encoded Passkey.
    function _signerOf(bytes32 patient, bytes32 structHash, bytes calldata signature) private view returns (address) {
        bytes32 digest = _hashTypedDataV4(structHash);
        if (signature.length != 64) {
            address named = PASSKEYS.signerOf(digest, abi.decode(signature, (Passkey)));
            if (named == address(0)) revert ConsentRegistryInvalidSignature(patient);
            return named;
        }
        (address signer, ECDSA.RecoverError problem,) =
            ECDSA.tryRecover(digest, bytes32(signature[:32]), bytes32(signature[32:]));
        if (problem != ECDSA.RecoverError.NoError) revert ConsentRegistryInvalidSignature(patient);
        return signer;
    }

    /// @dev The policies of a question, checked against storage: every active one, and nothing else.
    function _findings(Question calldata question) private view returns (Finding[] memory findings) {
        uint256 total = question.policies.length + question.pending.length;
        if (total > MAX_POLICIES) revert ConsentRegistryTooManyPolicies(question.patient, total);
        findings = new Finding[](total);
        Account memory account = _accounts[question.patient];
        uint256 given = 0;
        for (uint32 index = 0; index < account.filings; ++index) {
            bytes32 sealedPolicy = _active[question.patient][index];
            if (sealedPolicy == bytes32(0)) continue;
            if (given == question.policies.length) revert ConsentRegistryPoliciesIncomplete(question.patient, given);
            bytes calldata policy = question.policies[given];
            if (policy.length > 0 && sealedPolicy != _seal(keccak256(policy), account.key)) {
                revert ConsentRegistryPolicyMismatch(question.patient, index);
            }
            findings[given++] = _finding(policy, index, question.withdrawn);
        }
        if (given != question.policies.length) revert ConsentRegistryTooManyPolicies(question.patient, given);
        for (uint256 i = 0; i < question.pending.length; ++i) {
            findings[given] = _finding(question.pending[i], NO_POLICY, question.withdrawn);
            findings[given++].isPending = true;
        }
    }

    function _finding(bytes calldata policy, uint32 index, uint32[] calldata withdrawn)
        private
        pure
        returns (Finding memory finding)
    {
        finding.index = index;
        for (uint256 i = 0; i < withdrawn.length; ++i) {
            if (withdrawn[i] == index) finding.isWithdrawn = true;
        }
        if (policy.length < 42) {
            finding.reason = policy.length == 0 ? Reason.UnknownPolicy : Reason.MalformedPolicy;
            return finding;
        }
        finding.group = policy.groupOf();
        finding.time = policy.timeOf();
    }

    function _decide(Question calldata question, Finding[] memory findings, Request calldata request)
        private
        view
        returns (Decision memory decision)
    {
        if (request.relation & 1 != 0) return Decision(true, Reason.Patient, NO_POLICY, bytes32(0));
        if (request.relation & 4 != 0) return Decision(true, Reason.Author, NO_POLICY, bytes32(0));
        if (request.relation & 8 != 0 && _isActorDelegate(question.patient, request)) {
            return Decision(true, Reason.Delegate, NO_POLICY, bytes32(0));
        }
        bool hasChanges = question.pending.length > 0;
        for (uint256 i = 0; i < findings.length; ++i) {
            _evaluate(question, findings[i], i, request);
            hasChanges = hasChanges || findings[i].isWithdrawn;
        }
        decision = _combine(question.implicitPolicy, findings, request, false);
        // What the caller knows to be on its way can only take away: permitted is what is permitted before and after it.
        if (hasChanges && decision.permit) {
            Decision memory afterChanges = _combine(question.implicitPolicy, findings, request, true);
            if (!afterChanges.permit) {
                decision = Decision(false, Reason.Pending, afterChanges.policy, afterChanges.path);
            }
        }
        if (decision.permit || request.emergency == 0 || _isFinal(findings)) return decision;
        bytes32 holder = keccak256(abi.encodePacked(request.actor, question.patient));
        if (EMERGENCY.isOpen(request.emergency, question.patient, holder, _secondsOf(request))) {
            return Decision(true, Reason.Emergency, decision.policy, decision.path);
        }
    }

    /// @dev A denial that holds in emergencies too, of a policy that is active or about to be; so does one that cannot be read.
    function _isFinal(Finding[] memory findings) private pure returns (bool) {
        for (uint256 i = 0; i < findings.length; ++i) {
            Finding memory finding = findings[i];
            bool isRead = finding.reason != Reason.UnknownPolicy && finding.reason != Reason.MalformedPolicy;
            if (isRead && finding.effect != PolicyEvaluator.Effect.Final) continue;
            if (!finding.isPending && !_isSuperseded(findings, finding, false)) return true;
            if (!finding.isWithdrawn && !_isSuperseded(findings, finding, true)) return true;
        }
        return false;
    }

    function _isActorDelegate(bytes32 patient, Request calldata request) private view returns (bool) {
        uint64 until = _actorUntil[patient][_accounts[patient].key][request.actor];
        return block.timestamp < until && _secondsOf(request) < until;
    }

    /// @dev The second of the request's clock; of a time before 1970, the last second there is.
    function _secondsOf(Request calldata request) private pure returns (uint64) {
        return request.time < 0 ? type(uint64).max : uint64(request.time) / 1000;
    }

    function _evaluate(Question calldata question, Finding memory finding, uint256 i, Request calldata request)
        private
        view
    {
        finding.effect = PolicyEvaluator.Effect.Deny;
        finding.path = bytes32(0);
        if (finding.reason == Reason.UnknownPolicy || finding.reason == Reason.MalformedPolicy) return;
        uint256 filed = question.policies.length;
        bytes calldata policy = i < filed ? question.policies[i] : question.pending[i - filed];
        try this.evaluate(policy, request) returns (PolicyEvaluator.Effect effect, bytes32 path) {
            finding.effect = effect;
            finding.path = path;
            finding.reason = effect == PolicyEvaluator.Effect.Permit ? Reason.PermitProvision : Reason.DenyProvision;
        } catch {
            finding.reason = Reason.MalformedPolicy;
        }
    }

    /// @dev The newest policy of a group supersedes the others; across groups deny wins; else the implicit policy.
    function _combine(Implicit implicitPolicy, Finding[] memory findings, Request calldata request, bool isAfter)
        private
        pure
        returns (Decision memory decision)
    {
        decision.policy = NO_POLICY;
        for (uint256 i = 0; i < findings.length; ++i) {
            Finding memory finding = findings[i];
            if (finding.effect == PolicyEvaluator.Effect.None || !_counts(finding, isAfter)) continue;
            if (_isSuperseded(findings, finding, isAfter)) continue;
            if (finding.effect != PolicyEvaluator.Effect.Permit) {
                return Decision(false, finding.reason, finding.index, finding.path);
            }
            if (!decision.permit) decision = Decision(true, finding.reason, finding.index, finding.path);
        }
        if (decision.permit) return decision;
        if (request.relation & 2 != 0) return Decision(true, Reason.Author, NO_POLICY, bytes32(0));
        bool isPermitted = implicitPolicy == Implicit.Permit;
        return Decision(isPermitted, isPermitted ? Reason.Implicit : Reason.NoConsent, NO_POLICY, bytes32(0));
    }

    function _counts(Finding memory finding, bool isAfter) private pure returns (bool) {
        return isAfter ? !finding.isWithdrawn : !finding.isPending;
    }

    function _isSuperseded(Finding[] memory findings, Finding memory finding, bool isAfter)
        private
        pure
        returns (bool)
    {
        for (uint256 i = 0; i < findings.length; ++i) {
            Finding memory other = findings[i];
            if (other.group == finding.group && other.time > finding.time && _counts(other, isAfter)) return true;
        }
        return false;
    }
}
