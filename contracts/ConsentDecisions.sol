// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsentRegistry} from "./IConsentRegistry.sol";
import {IEmergencyAccess} from "./IEmergencyAccess.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";
import {PasskeyVerifier} from "./Passkey.sol";
import {PatientAccounts} from "./PatientAccounts.sol";
import {PolicyEvaluator} from "./PolicyEvaluator.sol";

/// @title What the active policies of a patient decide. @dev Part of ConsentRegistry; see IConsentRegistry. Views alone.
abstract contract ConsentDecisions is PatientAccounts {
    using PolicyEvaluator for bytes;

    uint32 private constant NO_POLICY = type(uint32).max;
    uint256 private constant MAX_POLICIES = 256;

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

    IGroupRegistry public immutable GROUPS;
    IEmergencyAccess public immutable EMERGENCY;

    constructor(PasskeyVerifier passkeys, IGroupRegistry groups, IEmergencyAccess emergency) PatientAccounts(passkeys) {
        GROUPS = groups;
        EMERGENCY = emergency;
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
        uint64 until = _actorDelegateUntil(patient, request.actor);
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
