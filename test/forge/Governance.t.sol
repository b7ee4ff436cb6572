// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AnchorLog} from "../../contracts/AnchorLog.sol";
import {CompactSignature} from "../../contracts/CompactSignature.sol";
import {IAnchorLog} from "../../contracts/IAnchorLog.sol";
import {INetwork} from "../../contracts/INetwork.sol";
import {Network} from "../../contracts/Network.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

/// @notice Who may change what: members, validators, ProfileSets, the directory.
contract Governance is World {
    address internal constant SECOND = address(0x2222);
    address internal constant THIRD = address(0x3333);

    function setUp() external {
        _deploy();
    }

    function _govern(bytes memory action) internal {
        network.propose(address(network), action);
    }

    function test_aProposalNeedsTwoThirdsOfThoseWhoAreMembers() external {
        _govern(abi.encodeCall(INetwork.addMember, (SECOND)));
        check(network.memberCount() == 2 && network.quorum() == 2 && network.isMember(SECOND), "two members");
        uint256 proposal = network.propose(address(network), abi.encodeCall(INetwork.addMember, (THIRD)));
        check(!network.isMember(THIRD), "one of two is not enough");
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkAlreadyRatified.selector, proposal, address(this)));
        network.ratify(proposal);
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkUnknownProposal.selector, proposal + 1));
        network.ratify(proposal + 1);
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkNotMember.selector, THIRD));
        vm.prank(THIRD);
        network.ratify(proposal);
        vm.prank(SECOND);
        network.ratify(proposal);
        check(network.isMember(THIRD), "two of two are");
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkAlreadyExecuted.selector, proposal));
        network.ratify(proposal);
    }

    function test_whoLeftNoLongerCounts() external {
        _govern(abi.encodeCall(INetwork.addMember, (SECOND)));
        uint256 pending = network.propose(address(log), abi.encodeCall(IAnchorLog.setPaused, (true)));
        uint256 leaving = network.propose(address(network), abi.encodeCall(INetwork.removeMember, (address(this))));
        vm.prank(SECOND);
        network.ratify(leaving);
        check(!network.isMember(address(this)) && network.memberCount() == 1, "left");
        vm.prank(SECOND);
        network.ratify(pending);
        (,,,,,, bool paused) = log.head();
        check(paused, "the one who stayed is a quorum by herself");
    }

    function test_neverWithoutMembers() external {
        vm.expectPartialRevert(INetwork.NetworkNoMembers.selector);
        new Network(new address[](0));
        vm.expectPartialRevert(INetwork.NetworkNoMembers.selector);
        _govern(abi.encodeCall(INetwork.removeMember, (address(this))));
        vm.expectPartialRevert(INetwork.NetworkNotMember.selector);
        _govern(abi.encodeCall(INetwork.removeMember, (SECOND)));
        vm.expectPartialRevert(INetwork.NetworkAlreadyMember.selector);
        _govern(abi.encodeCall(INetwork.addMember, (address(this))));
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkNotSelf.selector, address(this)));
        network.addMember(SECOND);
    }

    function test_theDirectoryGivesEachRelayToOneOrganisation() external {
        bytes32 other = bytes32(uint256(2));
        INetwork.Organisation memory entry =
            INetwork.Organisation("http://y/fhir", "", RELAY, INetwork.OrganisationStatus.Active);
        vm.expectRevert(abi.encodeWithSelector(INetwork.NetworkRelayTaken.selector, RELAY, bytes32(uint256(1))));
        _govern(abi.encodeCall(INetwork.setOrganisation, (other, entry)));
        entry.relay = address(0);
        _govern(abi.encodeCall(INetwork.setOrganisation, (other, entry)));
        check(keccak256(bytes(network.organisationOf(other).baseUrl)) == keccak256("http://y/fhir"), "entry");
        check(network.isRelay(RELAY) && !network.isRelay(address(0)), "relay");
        entry.relay = RELAY;
        entry.status = INetwork.OrganisationStatus.Suspended;
        _govern(abi.encodeCall(INetwork.setOrganisation, (bytes32(uint256(1)), entry)));
        check(!network.isRelay(RELAY) && network.organisationOfRelay(RELAY) == bytes32(0), "suspended");
    }

    function test_validatorsAndProfileSetsAreTheNetworks() external {
        address[] memory none = new address[](0);
        address[] memory one = new address[](1);
        one[0] = SECOND;
        vm.expectRevert(abi.encodeWithSelector(IAnchorLog.AnchorLogNotNetwork.selector, address(this)));
        log.changeValidators(one, none);
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (one, none)));
        (,,, uint32 epoch, uint16 count, uint16 quorum,) = log.head();
        check(log.isValidator(SECOND) && epoch == 2 && count == 5 && quorum == 4, "added");
        vm.expectPartialRevert(IAnchorLog.AnchorLogAlreadyValidator.selector);
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (one, none)));
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (none, one)));
        vm.expectPartialRevert(IAnchorLog.AnchorLogNotValidator.selector);
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (none, one)));
        one[0] = address(0);
        vm.expectPartialRevert(IAnchorLog.AnchorLogNotValidator.selector);
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (one, none)));

        bytes32 set = keccak256("another");
        network.propose(address(log), abi.encodeCall(IAnchorLog.ratifyProfileSet, (set)));
        check(log.isRatified(set), "ratified");
        network.propose(address(log), abi.encodeCall(IAnchorLog.retireProfileSet, (set)));
        check(!log.isRatified(set), "retired");
        vm.expectPartialRevert(IAnchorLog.AnchorLogProfileSetNotRatified.selector);
        network.propose(address(log), abi.encodeCall(IAnchorLog.retireProfileSet, (set)));
    }

    function _head() internal view returns (IAnchorLog.Head memory) {
        (bytes32 root, uint64 size,, uint32 epoch,,,) = log.head();
        return IAnchorLog.Head(keccak256("next"), size + 1, root, size, PROFILE_SET, bytes32(0), 1, epoch);
    }

    function test_anchorSaysWhatIsWrong() external {
        IAnchorLog.Head memory head = _head();
        head.profileSet = keccak256("unknown");
        CompactSignature[] memory signatures = _attest(head, 7);
        vm.expectRevert(abi.encodeWithSelector(IAnchorLog.AnchorLogProfileSetNotRatified.selector, head.profileSet));
        log.anchor(head, signatures);

        head = _head();
        signatures = _attest(head, 7);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        vm.expectPartialRevert(IAnchorLog.AnchorLogSignersNotSorted.selector);
        log.anchor(head, signatures);

        signatures = _attest(head, 7);
        signatures[0].r = bytes32(0);
        vm.expectRevert(abi.encodeWithSelector(IAnchorLog.AnchorLogInvalidSignature.selector, 0));
        log.anchor(head, signatures);

        signatures = _attest(head, 7);
        address[] memory removed = new address[](1);
        removed[0] = vm.addr(1);
        head.epoch = 2;
        network.propose(address(log), abi.encodeCall(IAnchorLog.changeValidators, (new address[](0), removed)));
        signatures = _attest(head, 7);
        vm.expectRevert(abi.encodeWithSelector(IAnchorLog.AnchorLogNotValidator.selector, vm.addr(1)));
        log.anchor(head, signatures);
        signatures = _attest(head, 14);
        log.anchor(head, signatures);
    }

    /// @notice Each statement claims its own root and the one before: any two claims about one size that differ convict.
    function test_everyKindOfConflictIsProven() external {
        for (uint256 kind = 0; kind < 4; ++kind) {
            _deploy();
            IAnchorLog.Head memory a = IAnchorLog.Head("a", 20, "p", 10, PROFILE_SET, 0, 1, 1);
            IAnchorLog.Head memory b = IAnchorLog.Head("b", 30, "q", 15, PROFILE_SET, 0, 1, 1);
            vm.expectPartialRevert(IAnchorLog.AnchorLogNoConflict.selector);
            this.dispute(a, 1, b, 1);
            if (kind == 0) b.size = 20;
            else if (kind == 1) b.prevSize = 10;
            else if (kind == 2) b.prevSize = 20;
            else (b.size, b.prevSize) = (10, 5);
            vm.expectPartialRevert(IAnchorLog.AnchorLogDifferentSigners.selector);
            this.dispute(a, 1, b, 2);
            this.dispute(a, 1, b, 1);
            check(!log.isValidator(vm.addr(1)) && log.isValidator(vm.addr(2)), "removed");
            vm.expectRevert(abi.encodeWithSelector(IAnchorLog.AnchorLogNotValidator.selector, vm.addr(1)));
            this.dispute(a, 1, b, 1);
        }
    }

    function dispute(IAnchorLog.Head calldata a, uint256 keyA, IAnchorLog.Head calldata b, uint256 keyB) external {
        log.dispute(a, _sign(keyA, log.digestOf(a)), b, _sign(keyB, log.digestOf(b)));
    }
}
