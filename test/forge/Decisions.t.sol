// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "../../contracts/CompactSignature.sol";
import {IConsentRegistry} from "../../contracts/IConsentRegistry.sol";
import {IEmergencyAccess} from "../../contracts/IEmergencyAccess.sol";
import {IGroupRegistry} from "../../contracts/IGroupRegistry.sol";
import {PolicyEvaluator} from "../../contracts/PolicyEvaluator.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

/// @notice What policies decide: each kind of criterion, trees, several policies, what is pending, emergencies, delegates.
contract Decisions is World {
    bytes32 internal constant PATIENT = bytes32(uint256(5));
    bytes16 internal constant TERM = bytes16(uint128(0x11));
    bytes16 internal constant OTHER = bytes16(uint128(0x22));

    function setUp() external {
        _deploy();
        vm.warp(1_000_000);
    }

    function _request() internal pure returns (IConsentRegistry.Request memory request) {
        request.time = 1_000_000_000;
        request.confidentiality = 3;
        request.terms = abi.encodePacked(TERM);
    }

    function _node(uint8 effect, bytes memory criteria, uint8 count, bytes memory children)
        internal
        pure
        returns (bytes memory)
    {
        return abi.encodePacked(effect, uint32(1 + criteria.length + children.length), count, criteria, children);
    }

    function _criterion(bytes memory alternatives) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32(alternatives.length), alternatives);
    }

    /// @dev A policy of group `n`, made at time `n`.
    function _whole(uint8 flags, uint128 n, bytes memory root) internal pure returns (bytes memory) {
        return abi.encodePacked(bytes1(0x01), flags, bytes16(n), bytes16(n), uint64(n), root);
    }

    function _effect(bytes memory root, IConsentRegistry.Request memory request)
        internal
        view
        returns (PolicyEvaluator.Effect effect, bytes32 path)
    {
        return registry.evaluate(_whole(0, 1, root), request);
    }

    /// @dev Whether a permit whose one criterion has these alternatives holds.
    function _holds(bytes memory alternatives, IConsentRegistry.Request memory request) internal view returns (bool) {
        (PolicyEvaluator.Effect effect,) = _effect(_node(2, _criterion(alternatives), 1, ""), request);
        return effect == PolicyEvaluator.Effect.Permit;
    }

    function test_terms() external view {
        IConsentRegistry.Request memory request = _request();
        request.terms = abi.encodePacked(bytes16(uint128(1)), TERM, OTHER, bytes16(uint128(0x33)));
        check(_holds(abi.encodePacked(uint8(1), TERM), request), "has it");
        check(!_holds(abi.encodePacked(uint8(1), bytes16(uint128(0x44))), request), "has it not");
        check(!_holds(abi.encodePacked(uint8(1), bytes16(uint128(0x02))), request), "nor this one");
        check(_holds(abi.encodePacked(uint8(1), bytes16(0), uint8(1), OTHER), request), "one of two");
        check(_holds(abi.encodePacked(uint8(2), uint8(2), TERM, OTHER), request), "all of two");
        check(!_holds(abi.encodePacked(uint8(2), uint8(3), TERM, bytes16(0), OTHER), request), "not all of three");
        check(_holds(abi.encodePacked(uint8(8)), request) && !_holds("", request), "always, never");
    }

    function test_confidentialityAndTime() external view {
        IConsentRegistry.Request memory request = _request();
        check(_holds(abi.encodePacked(uint8(3), uint8(3)), request), "at most");
        check(!_holds(abi.encodePacked(uint8(3), uint8(2)), request), "more");
        check(_holds(abi.encodePacked(uint8(4), uint8(3)), request), "at least");
        check(!_holds(abi.encodePacked(uint8(4), uint8(4)), request), "less");
        check(_holds(abi.encodePacked(uint8(5), int64(1_000_000_000), int64(1_000_000_001)), request), "within");
        check(!_holds(abi.encodePacked(uint8(5), int64(0), int64(1_000_000_000)), request), "at its end");
        check(!_holds(abi.encodePacked(uint8(6), int64(0), int64(9)), request), "undated is within nothing");
        check(_holds(abi.encodePacked(uint8(7), int64(0), int64(9)), request), "and may overlap with anything");
        (request.dataStart, request.dataEnd) = (5, 10);
        check(_holds(abi.encodePacked(uint8(6), int64(5), int64(10)), request), "data within");
        check(!_holds(abi.encodePacked(uint8(6), int64(6), int64(10)), request), "data begins before");
        check(_holds(abi.encodePacked(uint8(7), int64(9), int64(20)), request), "data overlaps");
        check(!_holds(abi.encodePacked(uint8(7), int64(10), int64(20)), request), "data does not");
    }

    function test_membershipsAreChecked() external {
        IConsentRegistry.Request memory request = _request();
        bytes memory isMember = abi.encodePacked(uint8(9), OTHER);
        check(!_holds(isMember, request), "no claim");
        request.groups = abi.encodePacked(TERM, TERM, OTHER, TERM);
        check(!_holds(isMember, request), "a claim that nobody confirms");
        bytes32[] memory added = new bytes32[](1);
        added[0] = keccak256(abi.encodePacked(OTHER, TERM));
        IGroupRegistry groups = registry.GROUPS();
        vm.prank(RELAY);
        groups.change("group", added, new bytes32[](0));
        check(_holds(isMember, request), "a claim that holds");
    }

    function test_theDeeperMatchOverridesAndAmongSiblingsTheStricter() external view {
        IConsentRegistry.Request memory request = _request();
        bytes memory never = _criterion(abi.encodePacked(uint8(1), OTHER));
        bytes memory permit = _node(2, "", 0, "");
        bytes memory deny = _node(1, "", 0, "");
        bytes memory last = _node(3, "", 0, "");
        (PolicyEvaluator.Effect effect, bytes32 path) =
            _effect(_node(2, "", 0, abi.encodePacked(_node(1, never, 1, ""), permit, deny)), request);
        check(effect == PolicyEvaluator.Effect.Deny, "deny wins");
        check(path == bytes32((uint256(1) << 248) | (uint256(2) << 240)), "by the third provision");
        (effect,) = _effect(_node(1, "", 0, permit), request);
        check(effect == PolicyEvaluator.Effect.Permit, "an exception");
        (effect,) = _effect(_node(2, "", 0, abi.encodePacked(deny, last, deny)), request);
        check(effect == PolicyEvaluator.Effect.Final, "final is stricter");
        (effect,) = registry.evaluate(_whole(1, 1, permit), request);
        check(effect == PolicyEvaluator.Effect.None, "an unknown policy cannot permit");
    }

    function test_malformedBytesAreNamed() external {
        IConsentRegistry.Request memory request = _request();
        bytes memory permit = _node(2, "", 0, "");
        bytes[9] memory roots = [
            abi.encodePacked(permit, uint8(0)),
            abi.encodePacked(uint8(4), uint32(1), uint8(0)),
            abi.encodePacked(uint8(2), uint32(9), uint8(0)),
            _node(2, abi.encodePacked(uint32(99)), 1, ""),
            _node(2, _criterion(abi.encodePacked(uint8(77))), 1, ""),
            _node(2, _criterion(abi.encodePacked(uint8(3))), 1, abi.encodePacked(uint8(9), permit)),
            abi.encodePacked(uint8(2), uint32(1), uint8(1), uint32(1), uint8(8)),
            _node(2, "", 0, abi.encodePacked(uint8(2), uint32(2), uint8(0))),
            abi.encodePacked(uint8(2), uint32(0), uint8(0))
        ];
        for (uint256 i = 0; i < roots.length; ++i) {
            vm.expectPartialRevert(PolicyEvaluator.PolicyMalformed.selector);
            registry.evaluate(_whole(0, 1, roots[i]), request);
        }
        bytes memory version = _whole(0, 1, permit);
        version[0] = 0x02;
        vm.expectRevert(abi.encodeWithSelector(PolicyEvaluator.PolicyMalformed.selector, 0));
        registry.evaluate(version, request);
        bytes memory deep = permit;
        for (uint256 i = 0; i < 32; ++i) deep = _node(2, "", 0, deep);
        vm.expectPartialRevert(PolicyEvaluator.PolicyMalformed.selector);
        registry.evaluate(_whole(0, 1, deep), request);
    }

    function _ask(IConsentRegistry.Question memory question) internal view returns (IConsentRegistry.Decision memory) {
        IConsentRegistry.Question[] memory questions = new IConsentRegistry.Question[](1);
        questions[0] = question;
        (, IConsentRegistry.Decision[] memory decisions) = registry.decideAll(questions);
        return decisions[0];
    }

    function _about(IConsentRegistry.Request memory request, bytes[] memory policies)
        internal
        pure
        returns (IConsentRegistry.Question memory question)
    {
        question.patient = PATIENT;
        question.policies = policies;
        question.requests = new IConsentRegistry.Request[](1);
        question.requests[0] = request;
    }

    function _reason(IConsentRegistry.Question memory question, bool permit, IConsentRegistry.Reason reason)
        internal
        view
    {
        IConsentRegistry.Decision memory decision = _ask(question);
        check(decision.permit == permit && decision.reason == reason, "decision");
    }

    function test_whoAsks() external {
        bytes[] memory policies = new bytes[](1);
        policies[0] = _policy(1, 1);
        _file(PATIENT, policies[0], PATIENT_KEY);
        IConsentRegistry.Request memory request = _request();
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
        request.relation = 1;
        _reason(_about(request, policies), true, IConsentRegistry.Reason.Patient);
        request.relation = 4;
        _reason(_about(request, policies), true, IConsentRegistry.Reason.Author);
        request.relation = 2;
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
        request.relation = 8;
        request.actor = TERM;
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
        (, uint32 index) = registry.accountOf(PATIENT);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline)"),
                PATIENT,
                address(0),
                TERM,
                uint64(1_000_600),
                index,
                type(uint64).max
            )
        );
        CompactSignature memory by = _sign(PATIENT_KEY, _digest(address(registry), "ConsentRegistry", structHash));
        registry.delegate(PATIENT, address(0), TERM, 1_000_600, type(uint64).max, abi.encodePacked(by.r, by.vs));
        _reason(_about(request, policies), true, IConsentRegistry.Reason.Delegate);
        request.time = 1_000_600_000;
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
        request.time = -1;
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
    }

    function test_withoutConsentTheImplicitPolicyOrTheAuthor() external view {
        IConsentRegistry.Question memory question = _about(_request(), new bytes[](0));
        _reason(question, false, IConsentRegistry.Reason.NoConsent);
        question.implicitPolicy = IConsentRegistry.Implicit.Permit;
        _reason(question, true, IConsentRegistry.Reason.Implicit);
        question.requests[0].relation = 2;
        _reason(question, true, IConsentRegistry.Reason.Author);
    }

    function test_whatIsPendingOnlyTakesAway() external {
        bytes[] memory policies = new bytes[](1);
        policies[0] = _policy(2, 1);
        uint32 index = _file(PATIENT, policies[0], PATIENT_KEY);
        IConsentRegistry.Question memory question = _about(_request(), policies);
        _reason(question, true, IConsentRegistry.Reason.PermitProvision);
        question.withdrawn = new uint32[](1);
        question.withdrawn[0] = index;
        _reason(question, false, IConsentRegistry.Reason.Pending);
        question.withdrawn[0] = index + 1;
        question.pending = new bytes[](1);
        question.pending[0] = _policy(1, 2);
        _reason(question, false, IConsentRegistry.Reason.Pending);
        question.pending[0] = _policy(2, 2);
        _reason(question, true, IConsentRegistry.Reason.PermitProvision);
    }

    function test_newerOfAGroupSupersedes() external {
        bytes[] memory policies = new bytes[](2);
        policies[0] = abi.encodePacked(bytes2(0x0100), bytes16(uint128(1)), bytes16(uint128(9)), uint64(1), uint8(1), uint32(1), uint8(0));
        policies[1] = abi.encodePacked(bytes2(0x0100), bytes16(uint128(2)), bytes16(uint128(9)), uint64(2), uint8(2), uint32(1), uint8(0));
        _file(PATIENT, policies[0], PATIENT_KEY);
        _file(PATIENT, policies[1], PATIENT_KEY);
        _reason(_about(_request(), policies), true, IConsentRegistry.Reason.PermitProvision);
        policies[1] = "";
        _reason(_about(_request(), policies), false, IConsentRegistry.Reason.DenyProvision);
        policies[0] = "";
        _reason(_about(_request(), policies), false, IConsentRegistry.Reason.UnknownPolicy);
    }

    function test_aMalformedPolicyDenies() external {
        bytes[] memory policies = new bytes[](1);
        policies[0] = "short";
        _file(PATIENT, policies[0], PATIENT_KEY);
        _reason(_about(_request(), policies), false, IConsentRegistry.Reason.MalformedPolicy);
        policies[0] = _whole(0, 1, _node(9, "", 0, ""));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryPolicyMismatch.selector);
        this.ask(_about(_request(), policies));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryPoliciesIncomplete.selector);
        this.ask(_about(_request(), new bytes[](0)));
        bytes[] memory two = new bytes[](2);
        two[0] = "short";
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryTooManyPolicies.selector);
        this.ask(_about(_request(), two));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryTooManyPolicies.selector);
        this.ask(_about(_request(), new bytes[](257)));
        _revoke(PATIENT, 0, "short", PATIENT_KEY);
        _file(PATIENT, policies[0], PATIENT_KEY);
        _reason(_about(_request(), policies), false, IConsentRegistry.Reason.MalformedPolicy);
    }

    function ask(IConsentRegistry.Question calldata question) external view {
        _ask(question);
    }

    function test_anEmergencyOverridesAllButFinalDenials() external {
        IEmergencyAccess emergency = registry.EMERGENCY();
        bytes16[] memory roles = new bytes16[](1);
        roles[0] = TERM;
        network.propose(address(emergency), abi.encodeCall(IEmergencyAccess.setRules, (roles, new bytes16[](0), 600)));
        bytes[] memory policies = new bytes[](1);
        policies[0] = _policy(1, 1);
        _file(PATIENT, policies[0], PATIENT_KEY);
        IConsentRegistry.Request memory request = _request();
        request.actor = TERM;
        vm.prank(RELAY);
        request.emergency = emergency.declare(PATIENT, keccak256(abi.encodePacked(TERM, PATIENT)), TERM, 0, 600);
        _reason(_about(request, policies), true, IConsentRegistry.Reason.Emergency);
        request.actor = OTHER;
        _reason(_about(request, policies), false, IConsentRegistry.Reason.DenyProvision);
        request.actor = TERM;
        IConsentRegistry.Question memory question = _about(request, policies);
        question.pending = new bytes[](1);
        question.pending[0] = _policy(3, 2);
        _reason(question, false, IConsentRegistry.Reason.DenyProvision);
        question.pending[0] = _policy(1, 2);
        _reason(question, true, IConsentRegistry.Reason.Emergency);
        question.policies[0] = "";
        _reason(question, false, IConsentRegistry.Reason.UnknownPolicy);
    }
}
