// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AnchorLog} from "../../contracts/AnchorLog.sol";
import {CompactSignature} from "../../contracts/CompactSignature.sol";
import {ConsentRegistry} from "../../contracts/ConsentRegistry.sol";
import {IAnchorLog} from "../../contracts/IAnchorLog.sol";
import {IConsentRegistry} from "../../contracts/IConsentRegistry.sol";
import {INetwork} from "../../contracts/INetwork.sol";
import {Network} from "../../contracts/Network.sol";
import {vm} from "./Cheats.sol";

/// @notice A network of one member, who is this contract, with four validators and a relay.
abstract contract World {
    bytes32 internal constant PROFILE_SET = bytes32(uint256(0x51));
    uint256 internal constant VALIDATORS = 4;
    uint256 internal constant PATIENT_KEY = 0xA11CE;
    address internal constant RELAY = address(0xBEEF);

    Network internal network;
    AnchorLog internal log;
    ConsentRegistry internal registry;

    function _deploy() internal {
        address[] memory members = new address[](1);
        members[0] = address(this);
        network = new Network(members);
        address[] memory validators = new address[](VALIDATORS);
        for (uint256 i = 0; i < VALIDATORS; ++i) validators[i] = vm.addr(i + 1);
        bytes32[] memory sets = new bytes32[](1);
        sets[0] = PROFILE_SET;
        log = new AnchorLog(address(network), validators, sets);
        registry = new ConsentRegistry(INetwork(address(network)));
        INetwork.Organisation memory entry =
            INetwork.Organisation("http://x/fhir", "", RELAY, INetwork.OrganisationStatus.Active);
        network.propose(address(network), abi.encodeCall(INetwork.setOrganisation, (bytes32(uint256(1)), entry)));
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (CompactSignature memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return CompactSignature(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// @dev Signatures of validators `mask` (bit i: key i + 1), sorted by address.
    function _attest(IAnchorLog.Head memory head, uint256 mask) internal view returns (CompactSignature[] memory) {
        bytes32 digest = log.digestOf(head);
        uint256[] memory keys = new uint256[](VALIDATORS);
        uint256 count = 0;
        for (uint256 i = 0; i < VALIDATORS; ++i) if (mask & (1 << i) != 0) keys[count++] = i + 1;
        for (uint256 i = 1; i < count; ++i) {
            for (uint256 j = i; j > 0 && vm.addr(keys[j]) < vm.addr(keys[j - 1]); --j) {
                (keys[j], keys[j - 1]) = (keys[j - 1], keys[j]);
            }
        }
        CompactSignature[] memory signatures = new CompactSignature[](count);
        for (uint256 i = 0; i < count; ++i) signatures[i] = _sign(keys[i], digest);
        return signatures;
    }

    function _digest(address target, string memory name, bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                target
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _file(bytes32 patient, bytes memory policy, uint256 key) internal returns (uint32) {
        (, uint32 index) = registry.accountOf(patient);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)"),
                patient,
                keccak256(policy),
                index,
                type(uint64).max
            )
        );
        CompactSignature memory signature = _sign(key, _digest(address(registry), "ConsentRegistry", structHash));
        vm.prank(RELAY);
        return registry.file(patient, keccak256(policy), type(uint64).max, signature);
    }

    function _revoke(bytes32 patient, uint32 index, bytes memory policy, uint256 key) internal {
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Revoke(bytes32 patient,bytes32 policy,uint32 index)"), patient, keccak256(policy), index)
        );
        registry.revoke(
            patient, index, keccak256(policy), _sign(key, _digest(address(registry), "ConsentRegistry", structHash))
        );
    }

    /// @dev A policy that permits (2) or denies (1) everybody; `n` makes it another one, in a group of its own.
    function _policy(uint8 effect, uint128 n) internal pure returns (bytes memory) {
        return abi.encodePacked(hex"0100", bytes16(n), bytes16(n), uint64(n), effect, uint32(1), uint8(0));
    }

    function _question(bytes32 patient, bytes[] memory policies)
        internal
        pure
        returns (IConsentRegistry.Question[] memory questions)
    {
        questions = new IConsentRegistry.Question[](1);
        IConsentRegistry.Request[] memory requests = new IConsentRegistry.Request[](1);
        requests[0] = IConsentRegistry.Request(1, 0, 0, 3, 0, 0, bytes16(0), "", "");
        questions[0] = IConsentRegistry.Question(
            patient, IConsentRegistry.Implicit.Deny, policies, new uint32[](0), new bytes[](0), requests
        );
    }
}
