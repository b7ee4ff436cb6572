// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {IConsentRegistry} from "./IConsentRegistry.sol";
import {INetwork} from "./INetwork.sol";
import {PolicyEvaluator} from "./PolicyEvaluator.sol";

/// @title Active consent policies and their decisions: see IConsentRegistry.
contract ConsentRegistry is IConsentRegistry, EIP712 {
    using PolicyEvaluator for bytes;

    bytes32 private constant FILE_TYPEHASH = keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)");
    bytes32 private constant REVOKE_TYPEHASH = keccak256("Revoke(bytes32 patient,bytes32 policy,uint32 index)");
    bytes32 private constant CHANGE_KEY_TYPEHASH =
        keccak256("ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline)");
    uint32 private constant NO_POLICY = type(uint32).max;
    uint256 private constant MAX_POLICIES = 256;

    struct Account {
        address key;
        uint32 filings;
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

    mapping(bytes32 patient => Account) private _accounts;

    /// @dev keccak256(policy ‖ key) of an active policy, zero for a revoked one: a revocation reads and clears this one slot.
    mapping(bytes32 patient => mapping(uint32 index => bytes32)) private _active;

    constructor(INetwork network) EIP712("ConsentRegistry", "1") {
        NETWORK = network;
    }

    /// @inheritdoc IConsentRegistry
    function file(bytes32 patient, bytes32 policy, uint64 deadline, CompactSignature calldata signature)
        external
        returns (uint32 index)
    {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        Account memory account = _accounts[patient];
        index = account.filings;
        bytes32 structHash = keccak256(abi.encode(FILE_TYPEHASH, patient, policy, index, deadline));
        address signer = _recover(patient, structHash, signature);
        if (account.key == address(0)) {
            if (!NETWORK.isRelay(msg.sender)) revert ConsentRegistryNotRelay(msg.sender);
            account.key = signer;
            emit KeyChanged(patient, signer);
        } else if (signer != account.key) {
            revert ConsentRegistryNotKey(patient, signer);
        }
        account.filings = index + 1;
        _accounts[patient] = account;
        _active[patient][index] = _seal(policy, signer);
        emit ConsentFiled(patient, index, policy);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(bytes32 patient, uint32 index, bytes32 policy, CompactSignature calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(REVOKE_TYPEHASH, patient, policy, index));
        address signer = _recover(patient, structHash, signature);
        mapping(uint32 => bytes32) storage active = _active[patient];
        if (active[index] != _seal(policy, signer)) revert ConsentRegistryNotActive(patient, index);
        active[index] = bytes32(0);
        emit ConsentRevoked(patient, index);
    }

    /// @inheritdoc IConsentRegistry
    function changeKey(
        bytes32 patient,
        address key,
        bytes32[] calldata policies,
        uint64 deadline,
        CompactSignature calldata signature
    ) external {
        if (block.timestamp > deadline) revert ConsentRegistryExpired(deadline, block.timestamp);
        if (key == address(0)) revert ConsentRegistryNoKey(patient);
        Account memory account = _accounts[patient];
        bytes32 structHash = keccak256(abi.encode(CHANGE_KEY_TYPEHASH, patient, key, account.filings, deadline));
        address signer = _recover(patient, structHash, signature);
        if (signer != account.key) revert ConsentRegistryNotKey(patient, signer);
        uint256 given = 0;
        for (uint32 index = 0; index < account.filings; ++index) {
            bytes32 sealedPolicy = _active[patient][index];
            if (sealedPolicy == bytes32(0)) continue;
            if (given == policies.length) revert ConsentRegistryPoliciesIncomplete(patient, given);
            if (sealedPolicy != _seal(policies[given], signer)) revert ConsentRegistryPolicyMismatch(patient, index);
            _active[patient][index] = _seal(policies[given], key);
            ++given;
        }
        if (given != policies.length) revert ConsentRegistryTooManyPolicies(patient, policies.length);
        // Uses up an index, so that this signature cannot come back after the key came back.
        _accounts[patient] = Account({key: key, filings: account.filings + 1});
        emit KeyChanged(patient, key);
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
        pure
        returns (PolicyEvaluator.Effect effect, bytes32 path)
    {
        return policy.evaluate(request);
    }

    /// @inheritdoc IConsentRegistry
    function accountOf(bytes32 patient) external view returns (address key, uint32 filings) {
        Account memory account = _accounts[patient];
        return (account.key, account.filings);
    }

    /// @inheritdoc IConsentRegistry
    function isActive(bytes32 patient, uint32 index, bytes32 policy) external view returns (bool) {
        return _active[patient][index] == _seal(policy, _accounts[patient].key);
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
                return Decision(false, Reason.Pending, afterChanges.policy, afterChanges.path);
            }
        }
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
            if (finding.effect == PolicyEvaluator.Effect.Deny) {
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
