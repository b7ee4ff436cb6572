// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "../../contracts/CompactSignature.sol";
import {IAnchorLog} from "../../contracts/IAnchorLog.sol";
import {IConsentRegistry} from "../../contracts/IConsentRegistry.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

contract Fuzz is World {
    function setUp() external {
        _deploy();
    }

    function testFuzz_anchorsExactlyWithAQuorum(bytes32 root, uint64 growth, uint8 mask) external {
        (bytes32 prevRoot, uint64 prevSize,, uint32 epoch,,,) = log.head();
        uint64 size = prevSize + 1 + (growth % 1_000_000);
        IAnchorLog.Head memory head =
            IAnchorLog.Head(root, size, prevRoot, prevSize, PROFILE_SET, bytes32(0), 1, epoch);
        uint256 signers = 0;
        for (uint256 i = 0; i < VALIDATORS; ++i) if (mask & (1 << i) != 0) ++signers;
        CompactSignature[] memory signatures = _attest(head, mask);
        if (signers < 3) vm.expectPartialRevert(IAnchorLog.AnchorLogQuorumMissing.selector);
        log.anchor(head, signatures);
        (bytes32 storedRoot, uint64 storedSize,,,,,) = log.head();
        check(storedRoot == (signers < 3 ? prevRoot : root), "root");
        check(storedSize == (signers < 3 ? prevSize : size), "size");
    }

    function testFuzz_refusesChangedStatements(bytes32 root, uint8 field, uint64 change) external {
        vm.assume(change != 0);
        (bytes32 prevRoot, uint64 prevSize,, uint32 epoch,,,) = log.head();
        IAnchorLog.Head memory head =
            IAnchorLog.Head(root, prevSize + 5, prevRoot, prevSize, PROFILE_SET, bytes32(0), 1, epoch);
        CompactSignature[] memory signatures = _attest(head, 7);
        if (field % 3 == 0) head.root = bytes32(uint256(root) ^ change);
        else if (field % 3 == 1) head.size = head.size + (change % 1e9) + 1;
        else head.receiptsRoot = bytes32(uint256(change));
        vm.expectRevert();
        log.anchor(head, signatures);
    }

    function testFuzz_disputeRemovesWhoSignedTwoRoots(bytes32 one, bytes32 other, uint8 who) external {
        (bytes32 prevRoot, uint64 prevSize,, uint32 epoch,,,) = log.head();
        uint256 key = (who % VALIDATORS) + 1;
        IAnchorLog.Head memory a = IAnchorLog.Head(one, 9, prevRoot, prevSize, PROFILE_SET, bytes32(0), 1, epoch);
        IAnchorLog.Head memory b = IAnchorLog.Head(other, 9, prevRoot, prevSize, PROFILE_SET, bytes32(0), 1, epoch);
        CompactSignature memory first = _sign(key, log.digestOf(a));
        CompactSignature memory second = _sign(key, log.digestOf(b));
        if (one == other) vm.expectPartialRevert(IAnchorLog.AnchorLogNoConflict.selector);
        log.dispute(a, first, b, second);
        check(log.isValidator(vm.addr(key)) == (one == other), "removed");
    }

    function testFuzz_onlyTheKeyRevokes(uint256 key, uint128 n) external {
        key = (key % 1e30) + 1;
        bytes32 patient = bytes32(uint256(n) + 1);
        bytes memory policy = _policy(2, n);
        uint32 index = _file(patient, policy, PATIENT_KEY);
        if (key != PATIENT_KEY) vm.expectPartialRevert(IConsentRegistry.ConsentRegistryNotActive.selector);
        this.revokeAs(patient, index, policy, key);
        check(registry.isActive(patient, index, keccak256(policy)) == (key != PATIENT_KEY), "active");
    }

    function revokeAs(bytes32 patient, uint32 index, bytes memory policy, uint256 key) external {
        _revoke(patient, index, policy, key);
    }

    /// @notice Whatever the bytes of a policy are, a decision is made, and never a permit unless they are well formed.
    function testFuzz_anyBytesAreDecided(bytes memory policy) external {
        vm.assume(policy.length > 0);
        bytes32 patient = bytes32(uint256(99));
        _file(patient, policy, PATIENT_KEY);
        bytes[] memory policies = new bytes[](1);
        policies[0] = policy;
        (, IConsentRegistry.Decision[] memory decisions) = registry.decideAll(_question(patient, policies));
        check(!decisions[0].permit || (policy.length >= 48 && policy[0] == 0x01), "permit");
    }

    /// @notice The same with a header that is right, so that the rules themselves are random.
    function testFuzz_anyRulesAreDecided(bytes memory rules) external {
        bytes memory policy = abi.encodePacked(hex"0100", bytes16(uint128(1)), bytes16(uint128(1)), uint64(1), rules);
        bytes32 patient = bytes32(uint256(98));
        _file(patient, policy, PATIENT_KEY);
        bytes[] memory policies = new bytes[](1);
        policies[0] = policy;
        (, IConsentRegistry.Decision[] memory decisions) = registry.decideAll(_question(patient, policies));
        check(!decisions[0].permit || uint8(policy[42]) <= 3, "permit");
    }

    function testFuzz_aHighSIsRefused(uint128 n) external {
        bytes32 patient = bytes32(uint256(n) + 1);
        bytes32 policy = keccak256(abi.encode(n));
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)"),
                patient,
                policy,
                uint32(0),
                type(uint64).max
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PATIENT_KEY, _digest(address(registry), "ConsentRegistry", structHash));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        uint256 high = (order - uint256(s)) & ((1 << 255) - 1);
        CompactSignature memory other = CompactSignature(r, bytes32(high | (uint256(28 - v) << 255)));
        _file(patient, "another", PATIENT_KEY);
        vm.prank(RELAY);
        vm.expectRevert();
        registry.file(patient, policy, type(uint64).max, other);
    }
}
