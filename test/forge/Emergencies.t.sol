// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {EmergencyAccess} from "../../contracts/EmergencyAccess.sol";
import {IEmergencyAccess} from "../../contracts/IEmergencyAccess.sol";
import {IGroupRegistry} from "../../contracts/IGroupRegistry.sol";
import {INetwork} from "../../contracts/INetwork.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

/// @notice Break-glass grants, and who belongs to which group.
contract Emergencies is World {
    bytes32 internal constant PATIENT = bytes32(uint256(5));
    bytes32 internal constant HOLDER = bytes32(uint256(6));
    bytes16 internal constant ROLE = bytes16(uint128(7));
    address internal constant OTHER_RELAY = address(0xF00D);

    EmergencyAccess internal emergency;
    IGroupRegistry internal groups;

    function setUp() external {
        _deploy();
        emergency = EmergencyAccess(address(registry.EMERGENCY()));
        groups = registry.GROUPS();
        INetwork.Organisation memory entry =
            INetwork.Organisation("http://y/fhir", "", OTHER_RELAY, INetwork.OrganisationStatus.Active);
        network.propose(address(network), abi.encodeCall(INetwork.setOrganisation, (bytes32(uint256(2)), entry)));
        vm.warp(1_000_000);
    }

    function _name(bytes16 role, uint32 maxDurationS) internal {
        bytes16[] memory named = new bytes16[](1);
        named[0] = role;
        bytes memory call = abi.encodeCall(IEmergencyAccess.setRules, (named, new bytes16[](0), maxDurationS));
        network.propose(address(emergency), call);
    }

    function _declare() internal returns (uint64) {
        vm.prank(RELAY);
        return emergency.declare(PATIENT, HOLDER, ROLE, bytes32("reason"), 600);
    }

    function test_onlyTheNetworkNamesRoles() external {
        bytes16[] memory roles = new bytes16[](1);
        roles[0] = ROLE;
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotNetwork.selector, address(this)));
        emergency.setRules(roles, new bytes16[](0), 600);
        _name(ROLE, 600);
        (bool isNamed, uint32 longest) = emergency.rulesOf(ROLE);
        check(isNamed && longest == 600, "named");
        network.propose(address(emergency), abi.encodeCall(IEmergencyAccess.setRules, (new bytes16[](0), roles, 60)));
        (isNamed, longest) = emergency.rulesOf(ROLE);
        check(!isNamed && longest == 60, "no longer");
    }

    function test_aGrantIsForItsHolderPatientAndTimeAlone() external {
        _name(ROLE, 600);
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotRelay.selector, address(this)));
        emergency.declare(PATIENT, HOLDER, ROLE, 0, 600);
        vm.expectPartialRevert(IEmergencyAccess.EmergencyAccessRoleNotNamed.selector);
        vm.prank(RELAY);
        emergency.declare(PATIENT, HOLDER, bytes16(uint128(8)), 0, 600);
        vm.expectPartialRevert(IEmergencyAccess.EmergencyAccessTooLong.selector);
        vm.prank(RELAY);
        emergency.declare(PATIENT, HOLDER, ROLE, 0, 601);
        vm.expectPartialRevert(IEmergencyAccess.EmergencyAccessTooLong.selector);
        vm.prank(RELAY);
        emergency.declare(PATIENT, HOLDER, ROLE, 0, 0);
        uint64 grant = _declare();
        check(grant == 1 && emergency.grantOf(grant).organisation == bytes32(uint256(1)), "grant");
        check(emergency.isOpen(grant, PATIENT, HOLDER, 1_000_599), "open");
        check(!emergency.isOpen(grant, PATIENT, HOLDER, 1_000_600), "over by the clock of who asks");
        check(!emergency.isOpen(grant, PATIENT, PATIENT, 1_000_000), "another holder");
        check(!emergency.isOpen(grant, HOLDER, HOLDER, 1_000_000), "another patient");
        check(!emergency.isOpen(0, PATIENT, HOLDER, 1_000_000) && !emergency.isOpen(2, PATIENT, HOLDER, 0), "none");
        vm.warp(1_000_600);
        check(!emergency.isOpen(grant, PATIENT, HOLDER, 1_000_000), "over by the chain's clock");
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessUnknownGrant.selector, 2));
        emergency.grantOf(2);
    }

    function test_theOrganisationEndsItsOwn() external {
        _name(ROLE, 600);
        uint64 grant = _declare();
        vm.expectPartialRevert(IEmergencyAccess.EmergencyAccessNotOrganisation.selector);
        vm.prank(OTHER_RELAY);
        emergency.end(grant);
        vm.prank(RELAY);
        emergency.end(grant);
        check(!emergency.isOpen(grant, PATIENT, HOLDER, 1_000_000), "ended");
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotOpen.selector, grant));
        vm.prank(RELAY);
        emergency.end(grant);
    }

    function _contest(uint64 grant, uint256 key) internal {
        bytes32 structHash =
            keccak256(abi.encode(keccak256("Contest(uint64 grant,bytes32 reason)"), grant, bytes32("why")));
        emergency.contest(grant, "why", _sign(key, _digest(address(emergency), "EmergencyAccess", structHash)));
    }

    function contestAs(uint64 grant, uint256 key) external {
        _contest(grant, key);
    }

    function test_thePatientContestsAndTheNetworkResolves() external {
        _name(ROLE, 600);
        _file(PATIENT, "policy", PATIENT_KEY);
        uint64 grant = _declare();
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotContested.selector, grant));
        this.resolve(grant, true);
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotKey.selector, PATIENT));
        this.contestAs(grant, 77);
        _contest(grant, PATIENT_KEY);
        check(!emergency.isOpen(grant, PATIENT, HOLDER, 1_000_000), "contesting ends it");
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessAlreadyContested.selector, grant));
        vm.prank(RELAY);
        emergency.contestFor(grant, 0);
        this.resolve(grant, true);
        check(emergency.grantOf(grant).verdict == IEmergencyAccess.Verdict.Misuse, "misuse");

        uint64 next = _declare();
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotRelay.selector, address(this)));
        emergency.contestFor(next, 0);
        vm.warp(1_000_700);
        vm.prank(RELAY);
        emergency.contestFor(next, 0);
        check(emergency.grantOf(next).until == 1_000_600, "what was over stays as it was");
        this.resolve(next, false);
        check(emergency.grantOf(next).verdict == IEmergencyAccess.Verdict.Justified, "justified");
        vm.expectRevert(abi.encodeWithSelector(IEmergencyAccess.EmergencyAccessNotNetwork.selector, address(this)));
        emergency.resolve(next, true);
    }

    function resolve(uint64 grant, bool isMisuse) external {
        network.propose(address(emergency), abi.encodeCall(IEmergencyAccess.resolve, (grant, isMisuse)));
    }

    function test_aGroupIsItsFounders() external {
        bytes32 handle = keccak256("group");
        bytes32[] memory none = new bytes32[](0);
        bytes32[] memory one = new bytes32[](1);
        one[0] = keccak256("member");
        vm.expectRevert(abi.encodeWithSelector(IGroupRegistry.GroupRegistryNotRelay.selector, address(this)));
        groups.change(handle, one, none);
        vm.expectRevert(abi.encodeWithSelector(IGroupRegistry.GroupRegistryNothingToDo.selector, handle));
        vm.prank(RELAY);
        groups.change(handle, none, none);
        vm.prank(RELAY);
        groups.change(handle, one, none);
        (bytes32 organisation, uint32 epoch) = groups.groupOf(handle);
        check(groups.holds(one[0]) && organisation == bytes32(uint256(1)) && epoch == 1, "founded");
        vm.expectRevert(abi.encodeWithSelector(IGroupRegistry.GroupRegistryAlreadyMember.selector, one[0]));
        vm.prank(RELAY);
        groups.change(handle, one, none);
        vm.expectRevert(abi.encodeWithSelector(IGroupRegistry.GroupRegistryNotOwner.selector, handle, OTHER_RELAY));
        vm.prank(OTHER_RELAY);
        groups.change(handle, none, one);
        vm.expectRevert(abi.encodeWithSelector(IGroupRegistry.GroupRegistryNotMember.selector, one[0]));
        vm.prank(OTHER_RELAY);
        groups.change(keccak256("other"), none, one);
        vm.prank(RELAY);
        groups.change(handle, none, one);
        check(!groups.holds(one[0]), "removed");
    }
}
