// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {CompactSignature} from "../../contracts/CompactSignature.sol";
import {IConsentRegistry} from "../../contracts/IConsentRegistry.sol";
import {Passkey} from "../../contracts/Passkey.sol";
import {check, vm} from "./Cheats.sol";
import {World} from "./World.sol";

/// @notice Keys of a patient: of both kinds, changed, delegated, recovered.
contract Accounts is World {
    bytes32 internal constant PATIENT = bytes32(uint256(5));
    uint256 internal constant PASSKEY = 0xBA55;
    uint256 internal constant GUARDIANS = 0x64A2D;
    uint64 internal constant LATE = type(uint64).max;
    bytes32 internal constant FILE = keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)");
    bytes32 internal constant REVOKE = keccak256("Revoke(bytes32 patient,bytes32 policy,uint32 index)");
    bytes32 internal constant CHANGE = keccak256("ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline)");
    bytes32 internal constant DELEGATE =
        keccak256("Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline)");
    bytes32 internal constant RECOVERY =
        keccak256("Recovery(bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline)");
    bytes32 internal constant RECOVER =
        keccak256("Recover(bytes32 patient,address next,uint32 index,uint64 deadline)");
    bytes32 internal constant CANCEL = keccak256("CancelRecovery(bytes32 patient,uint32 index)");

    function setUp() external {
        _deploy();
        vm.warp(1_000_000);
    }

    function _index() internal view returns (uint32 index) {
        (, index) = registry.accountOf(PATIENT);
    }

    function _compact(uint256 key, bytes memory statement) internal view returns (CompactSignature memory) {
        return _sign(key, _digest(address(registry), "ConsentRegistry", keccak256(statement)));
    }

    function _bytes(uint256 key, bytes memory statement) internal view returns (bytes memory) {
        CompactSignature memory signature = _compact(key, statement);
        return abi.encodePacked(signature.r, signature.vs);
    }

    /// @dev An assertion by the passkey, `flags` being what the authenticator says of its user.
    function _assert(bytes memory statement, bytes1 flags) internal view returns (Passkey memory passkey) {
        bytes32 digest = _digest(address(registry), "ConsentRegistry", keccak256(statement));
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        passkey.x = bytes32(x);
        passkey.y = bytes32(y);
        passkey.authenticatorData = abi.encodePacked(keccak256("rp"), flags, uint32(1));
        passkey.clientDataTail = ',"origin":"https://ehr.example.org","crossOrigin":false}';
        bytes32 clientData = sha256(
            abi.encodePacked(
                '{"type":"webauthn.get","challenge":"',
                Base64.encodeURL(abi.encodePacked(digest)),
                '"',
                passkey.clientDataTail
            )
        );
        bytes32 s;
        (passkey.r, s) = vm.signP256(PASSKEY, sha256(abi.encodePacked(passkey.authenticatorData, clientData)));
        uint256 order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
        passkey.s = uint256(s) > order / 2 ? bytes32(order - uint256(s)) : s;
    }

    function _passkeyName() internal pure returns (address) {
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        return address(uint160(uint256(keccak256(abi.encodePacked("P256", x, y)))));
    }

    function test_aPasskeyFilesRevokesAndHandsOver() external {
        bytes memory statement = abi.encode(FILE, PATIENT, bytes32("one"), _index(), LATE);
        Passkey memory passkey = _assert(statement, 0x05);
        vm.prank(RELAY);
        uint32 index = registry.fileWithPasskey(PATIENT, "one", LATE, passkey);
        check(registry.isActive(PATIENT, index, "one"), "filed");
        (address key,) = registry.accountOf(PATIENT);
        check(key == _passkeyName(), "the passkey is the key");
        _file(keccak256("somebody else"), "policy", PATIENT_KEY);

        registry.revokeWithPasskey(PATIENT, index, "one", _assert(abi.encode(REVOKE, PATIENT, bytes32("one"), index), 0x1d));
        check(!registry.isActive(PATIENT, index, "one"), "revoked");
        address next = vm.addr(PATIENT_KEY);
        statement = abi.encode(CHANGE, PATIENT, next, _index(), LATE);
        registry.changeKeyWithPasskey(PATIENT, next, new bytes32[](0), LATE, _assert(statement, 0x05));
        (key,) = registry.accountOf(PATIENT);
        check(key == next, "handed over");
    }

    function test_anAssertionMustBeByAVerifiedUserAndUnchanged() external {
        bytes memory statement = abi.encode(FILE, PATIENT, bytes32("one"), _index(), LATE);
        bytes memory problem =
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryInvalidSignature.selector, PATIENT);
        // not present, not verified, backed up though it cannot be
        bytes1[3] memory flags = [bytes1(0x04), bytes1(0x01), bytes1(0x15)];
        for (uint256 i = 0; i < flags.length; ++i) {
            Passkey memory refused = _assert(statement, flags[i]);
            vm.expectRevert(problem);
            registry.fileWithPasskey(PATIENT, "one", LATE, refused);
        }
        for (uint256 what = 0; what < 4; ++what) {
            Passkey memory changed = _assert(statement, 0x05);
            if (what == 0) changed.clientDataTail = ',"origin":"https://evil.example"}';
            else if (what == 1) changed.authenticatorData = hex"05";
            else if (what == 2) changed.authenticatorData[0] ^= 0x01;
            else changed.s = bytes32(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 - uint256(changed.s));
            vm.expectRevert(problem);
            registry.fileWithPasskey(PATIENT, "one", LATE, changed);
        }
        Passkey memory sound = _assert(statement, 0x05);
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryNotRelay.selector);
        registry.fileWithPasskey(PATIENT, "one", LATE, sound);
        vm.prank(RELAY);
        registry.fileWithPasskey(PATIENT, "one", LATE, sound);
    }

    function test_filingNeedsARelayOnceAndTheKeyAlways() external {
        CompactSignature memory signature =
            _compact(PATIENT_KEY, abi.encode(FILE, PATIENT, bytes32("one"), uint32(0), LATE));
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNotRelay.selector, address(this)));
        registry.file(PATIENT, "one", LATE, signature);
        vm.prank(RELAY);
        registry.file(PATIENT, "one", LATE, signature);
        signature = _compact(PATIENT_KEY, abi.encode(FILE, PATIENT, bytes32("two"), uint32(1), uint64(999_999)));
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryExpired.selector, uint64(999_999), 1_000_000)
        );
        registry.file(PATIENT, "two", 999_999, signature);
        signature = _compact(77, abi.encode(FILE, PATIENT, bytes32("two"), uint32(1), LATE));
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNotKey.selector, PATIENT, vm.addr(77))
        );
        registry.file(PATIENT, "two", LATE, signature);
        signature.r = 0;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryInvalidSignature.selector, PATIENT));
        registry.file(PATIENT, "two", LATE, signature);
        signature = _compact(PATIENT_KEY, abi.encode(FILE, PATIENT, bytes32("two"), uint32(1), LATE));
        registry.file(PATIENT, "two", LATE, signature);
    }

    function test_aNewKeySealsEveryActivePolicyAgain() external {
        for (uint128 n = 0; n < 3; ++n) _file(PATIENT, _policy(2, n), PATIENT_KEY);
        _revoke(PATIENT, 1, _policy(2, 1), PATIENT_KEY);
        address next = vm.addr(77);
        bytes32[] memory policies = new bytes32[](2);
        policies[0] = keccak256(_policy(2, 0));
        policies[1] = keccak256(_policy(2, 2));
        bytes32[] memory fewer = new bytes32[](1);
        fewer[0] = policies[0];
        bytes32[] memory more = new bytes32[](3);
        (more[0], more[1]) = (policies[0], policies[1]);
        bytes32[] memory wrong = new bytes32[](2);
        wrong[0] = policies[1];
        CompactSignature memory signature = _compact(PATIENT_KEY, abi.encode(CHANGE, PATIENT, next, _index(), LATE));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryPoliciesIncomplete.selector);
        registry.changeKey(PATIENT, next, fewer, LATE, signature);
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryTooManyPolicies.selector);
        registry.changeKey(PATIENT, next, more, LATE, signature);
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryPolicyMismatch.selector);
        registry.changeKey(PATIENT, next, wrong, LATE, signature);
        CompactSignature memory toNobody =
            _compact(PATIENT_KEY, abi.encode(CHANGE, PATIENT, address(0), _index(), LATE));
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNoKey.selector, PATIENT));
        registry.changeKey(PATIENT, address(0), policies, LATE, toNobody);
        registry.changeKey(PATIENT, next, policies, LATE, signature);
        check(registry.isActive(PATIENT, 0, policies[0]) && registry.isActive(PATIENT, 2, policies[1]), "kept");
        check(!registry.isActive(PATIENT, 1, keccak256(_policy(2, 1))), "stays revoked");
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryNotKey.selector);
        registry.changeKey(PATIENT, next, policies, LATE, signature);
    }

    function _delegate(address key, bytes16 actor, uint64 until) internal {
        bytes memory statement = abi.encode(DELEGATE, PATIENT, key, actor, until, _index(), LATE);
        registry.delegate(PATIENT, key, actor, until, LATE, _bytes(PATIENT_KEY, statement));
    }

    function test_aDelegateFilesAndRevokesUntilHerTimeIsOver() external {
        bytes memory policy = _policy(2, 1);
        _file(PATIENT, policy, PATIENT_KEY);
        _delegate(vm.addr(88), bytes16(uint128(3)), 1_000_500);
        (uint64 keyUntil, uint64 actorUntil) = registry.delegateOf(PATIENT, vm.addr(88), bytes16(uint128(3)));
        check(keyUntil == 1_000_500 && actorUntil == 1_000_500, "named");
        _revoke(PATIENT, 0, policy, 88);
        check(!registry.isActive(PATIENT, 0, keccak256(policy)), "revoked by the delegate");
        uint32 index = _file(PATIENT, policy, 88);
        check(registry.isActive(PATIENT, index, keccak256(policy)), "filed by the delegate");
        vm.warp(1_000_500);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNotActive.selector, PATIENT, index));
        this.revokeAs(index, policy, 88);
        _delegate(address(0), bytes16(0), LATE);
        (keyUntil,) = registry.delegateOf(PATIENT, address(0), bytes16(0));
        check(keyUntil == 0, "nobody is no delegate");
    }

    function revokeAs(uint32 index, bytes memory policy, uint256 key) external {
        _revoke(PATIENT, index, policy, key);
    }

    function test_theSignatureOfAStatementIsOfEitherKind() external {
        bytes memory statement = abi.encode(FILE, PATIENT, bytes32("one"), _index(), LATE);
        Passkey memory passkey = _assert(statement, 0x05);
        vm.prank(RELAY);
        registry.fileWithPasskey(PATIENT, "one", LATE, passkey);
        statement = abi.encode(RECOVERY, PATIENT, vm.addr(GUARDIANS), uint32(100), _index(), LATE);
        bytes memory packed = abi.encode(_assert(statement, 0x05));
        bytes memory problem =
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryInvalidSignature.selector, PATIENT);
        bytes memory moved = abi.encodePacked(packed);
        moved[31] = 0x40;
        vm.expectRevert(problem);
        registry.setRecovery(PATIENT, vm.addr(GUARDIANS), 100, LATE, moved);
        vm.expectRevert(problem);
        registry.setRecovery(PATIENT, vm.addr(GUARDIANS), 100, LATE, hex"01");
        bytes memory other = _bytes(PATIENT_KEY, statement);
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryNotKey.selector);
        registry.setRecovery(PATIENT, vm.addr(GUARDIANS), 100, LATE, other);
        registry.setRecovery(PATIENT, vm.addr(GUARDIANS), 100, LATE, packed);
        (address key, uint32 delayS,,) = registry.recoveryOf(PATIENT);
        check(key == vm.addr(GUARDIANS) && delayS == 100, "set");
    }

    function _recovering() internal returns (bytes memory policy) {
        policy = _policy(2, 1);
        _file(PATIENT, policy, PATIENT_KEY);
        bytes memory statement = abi.encode(RECOVERY, PATIENT, vm.addr(GUARDIANS), uint32(100), _index(), LATE);
        registry.setRecovery(PATIENT, vm.addr(GUARDIANS), 100, LATE, _bytes(PATIENT_KEY, statement));
    }

    function test_guardiansRecoverAfterTheDelay() external {
        bytes32[] memory policies = new bytes32[](1);
        policies[0] = keccak256(_recovering());
        address next = vm.addr(99);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNoRecovery.selector, PATIENT));
        registry.finishRecovery(PATIENT, policies);
        CompactSignature memory signature = _compact(77, abi.encode(RECOVER, PATIENT, next, _index(), LATE));
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNotRecoveryKey.selector, PATIENT, vm.addr(77))
        );
        registry.startRecovery(PATIENT, next, LATE, signature);
        signature = _compact(GUARDIANS, abi.encode(RECOVER, PATIENT, next, _index(), LATE));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryExpired.selector);
        registry.startRecovery(PATIENT, next, 999_999, signature);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNoKey.selector, PATIENT));
        registry.startRecovery(PATIENT, address(0), LATE, signature);
        registry.startRecovery(PATIENT, next, LATE, signature);
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.ConsentRegistryTooEarly.selector, PATIENT, uint64(1_000_100))
        );
        registry.finishRecovery(PATIENT, policies);
        vm.warp(1_000_100);
        registry.finishRecovery(PATIENT, policies);
        (address key,) = registry.accountOf(PATIENT);
        check(key == next && registry.isActive(PATIENT, 0, policies[0]), "recovered");
    }

    function test_thePatientCancelsARecoveryThatIsNotHers() external {
        _recovering();
        bytes memory cancel = abi.encode(CANCEL, PATIENT, _index());
        bytes memory signature = _bytes(PATIENT_KEY, cancel);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.ConsentRegistryNoRecovery.selector, PATIENT));
        registry.cancelRecovery(PATIENT, signature);
        CompactSignature memory start =
            _compact(GUARDIANS, abi.encode(RECOVER, PATIENT, vm.addr(99), _index(), LATE));
        registry.startRecovery(PATIENT, vm.addr(99), LATE, start);
        signature = _bytes(77, abi.encode(CANCEL, PATIENT, _index()));
        vm.expectPartialRevert(IConsentRegistry.ConsentRegistryNotKey.selector);
        registry.cancelRecovery(PATIENT, signature);
        signature = _bytes(PATIENT_KEY, abi.encode(CANCEL, PATIENT, _index()));
        registry.cancelRecovery(PATIENT, signature);
        (,, address next, uint64 readyAt) = registry.recoveryOf(PATIENT);
        check(next == address(0) && readyAt == 0, "cancelled");
    }
}
