// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAnchorLog} from "../../contracts/IAnchorLog.sol";
import {IConsentRegistry} from "../../contracts/IConsentRegistry.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

/// @notice Does at random what members, validators, patients and strangers may try, and remembers what must hold.
contract Handler is World {
    bytes32 internal constant PATIENT = bytes32(uint256(7));

    struct Filed {
        uint32 index;
        bytes policy;
        bool isRevoked;
    }

    Filed[] internal filed;
    bytes32 public root;
    uint64 public size;
    bool public isPaused;
    bool public wasShrunk;
    bool public wasTakenWithoutQuorum;
    bool public wasTakenWhilePaused;
    bool public wasRevocationBlocked;

    constructor() {
        _deploy();
        (root,,,,,,) = log.head();
    }

    /// @notice Anchors an extension, or something that only looks like one.
    function anchor(bytes32 newRoot, uint64 growth, uint8 mask, uint8 flaw) external {
        (bytes32 prevRoot, uint64 prevSize,, uint32 epoch,,,) = log.head();
        IAnchorLog.Head memory head = IAnchorLog.Head(
            newRoot, prevSize + (growth % 1000), prevRoot, prevSize, PROFILE_SET, bytes32(0), 1, epoch
        );
        if (flaw % 8 == 1) head.prevSize = prevSize + 1;
        if (flaw % 8 == 2) head.prevRoot = newRoot;
        if (flaw % 8 == 3) head.size = prevSize / 2;
        if (flaw % 8 == 4) head.epoch = epoch + 1;
        uint256 signers = 0;
        for (uint256 i = 0; i < VALIDATORS; ++i) if (mask & (1 << i) != 0) ++signers;
        try log.anchor(head, _attest(head, mask)) {
            wasShrunk = wasShrunk || head.prevRoot != root || head.prevSize != size || head.size <= size;
            wasTakenWithoutQuorum = wasTakenWithoutQuorum || signers < 3;
            wasTakenWhilePaused = wasTakenWhilePaused || isPaused;
            root = head.root;
            size = head.size;
        } catch {}
    }

    function setPaused(bool paused) external {
        network.propose(address(log), abi.encodeCall(IAnchorLog.setPaused, (paused)));
        isPaused = paused;
    }

    function file(bool permits) external {
        if (filed.length >= 12) return;
        bytes memory policy = _policy(permits ? 2 : 1, uint128(filed.length + 1));
        uint32 index = _file(PATIENT, policy, PATIENT_KEY);
        filed.push(Filed(index, policy, false));
    }

    function revoke(uint256 which) external {
        if (filed.length == 0) return;
        Filed storage one = filed[which % filed.length];
        if (one.isRevoked) return;
        try this.revokeOne(which % filed.length) {
            one.isRevoked = true;
        } catch {
            wasRevocationBlocked = true;
        }
    }

    /// @dev Called by this contract alone: the fuzzer must not take it for something that people do.
    modifier onlySelf() {
        check(msg.sender == address(this), "not for the fuzzer");
        _;
    }

    function revokeOne(uint256 i) external onlySelf {
        _revoke(PATIENT, filed[i].index, filed[i].policy, PATIENT_KEY);
    }

    /// @notice A stranger tries to revoke, and to bring a revoked policy back into a question.
    function strangerRevokes(uint256 which, uint256 key) external {
        if (filed.length == 0) return;
        key = (key % 1e18) + 100_000_000;
        Filed storage one = filed[which % filed.length];
        vm.expectRevert();
        this.revokeAs(one.index, one.policy, key);
    }

    function revokeAs(uint32 index, bytes memory policy, uint256 key) external onlySelf {
        _revoke(PATIENT, index, policy, key);
    }

    /// @return permit what the contract decides when it is given the active policies.
    /// @return expected permitted exactly when a permit is active and no denial.
    function decision() external view returns (bool permit, bool expected) {
        uint256 count = 0;
        bool denies = false;
        bool permits = false;
        for (uint256 i = 0; i < filed.length; ++i) {
            if (filed[i].isRevoked) continue;
            ++count;
            if (uint8(filed[i].policy[42]) == 1) denies = true;
            else permits = true;
        }
        bytes[] memory policies = new bytes[](count);
        count = 0;
        for (uint256 i = 0; i < filed.length; ++i) if (!filed[i].isRevoked) policies[count++] = filed[i].policy;
        (, IConsentRegistry.Decision[] memory decisions) = registry.decideAll(_question(PATIENT, policies));
        return (decisions[0].permit, permits && !denies);
    }

    /// @return True when a question that names a revoked policy as active is answered at all.
    function revokedIsTaken() external view returns (bool) {
        for (uint256 i = 0; i < filed.length; ++i) {
            if (!filed[i].isRevoked) continue;
            bytes[] memory policies = new bytes[](1);
            policies[0] = filed[i].policy;
            try registry.decideAll(_question(PATIENT, policies)) {
                return true;
            } catch {}
        }
        return false;
    }

    function stored() external view returns (bytes32 headRoot, uint64 headSize) {
        (headRoot, headSize,,,,,) = log.head();
    }
}

contract Invariants {
    Handler internal handler;

    function setUp() external {
        handler = new Handler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_headIsOnlyExtended() external view {
        (bytes32 root, uint64 size) = handler.stored();
        check(!handler.wasShrunk() && root == handler.root() && size == handler.size(), "append-only head");
    }

    function invariant_headNeedsAQuorum() external view {
        check(!handler.wasTakenWithoutQuorum(), "quorum");
    }

    function invariant_pauseStopsAnchoringAndNeverRevocation() external view {
        check(!handler.wasTakenWhilePaused(), "anchored while paused");
        check(!handler.wasRevocationBlocked(), "revocation blocked");
    }

    function invariant_revokedPolicyNeverPermits() external view {
        (bool permit, bool expected) = handler.decision();
        check(permit == expected, "decision");
        check(!handler.revokedIsTaken(), "revoked policy taken as active");
    }
}
