// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {P256} from "@openzeppelin/contracts/utils/cryptography/P256.sol";

/// @notice An assertion by a passkey (WebAuthn, ES256): the challenge is the 32 bytes that an EIP-712 signature would sign.
struct Passkey {
    /// Public key: a point of P-256.
    bytes32 x;
    bytes32 y;
    bytes32 r;
    /// In the lower half of the order.
    bytes32 s;
    /// rpIdHash (32) ‖ flags (1) ‖ signCount (4) ‖ extensions.
    bytes authenticatorData;
    /// What follows the challenge's closing quote in the client data, to the letter: `,"origin":"https://...",...}`.
    bytes clientDataTail;
}

/**
 * @title What an assertion of a passkey signs, and the name of its key.
 * @dev Client data is verified as the limited verification algorithm does (https://www.w3.org/TR/webauthn-2/#clientdatajson-verification): every client
 * writes type and challenge first, in this order, so that what precedes the tail is known and need not be sent.
 */
library PasskeyAssertion {
    /// @dev User present (UP) and user verified (UV).
    bytes1 private constant PRESENT_AND_VERIFIED = 0x05;
    /// @dev May be backed up (BE), and is (BS): the second without the first is no authenticator's word.
    bytes1 private constant BACKUP = 0x18;
    bytes1 private constant BACKED_UP = 0x10;

    /// @return message what ES256 signed; zero when the authenticator did not verify its user, or says what none says.
    function messageOf(Passkey calldata passkey, bytes32 challenge) internal pure returns (bytes32 message) {
        bytes calldata data = passkey.authenticatorData;
        if (data.length < 37) return bytes32(0);
        bytes1 flags = data[32];
        if (flags & PRESENT_AND_VERIFIED != PRESENT_AND_VERIFIED || flags & BACKUP == BACKED_UP) return bytes32(0);
        bytes memory clientData = abi.encodePacked(
            '{"type":"webauthn.get","challenge":"',
            Base64.encodeURL(abi.encodePacked(challenge)),
            '"',
            passkey.clientDataTail
        );
        return sha256(abi.encodePacked(data, sha256(clientData)));
    }

    /// @return Name of a key among the keys of accounts: the last 20 bytes of keccak256("P256" ‖ x ‖ y); in another domain than addresses.
    function nameOf(Passkey calldata passkey) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked("P256", passkey.x, passkey.y)))));
    }
}

/**
 * @title Checks signatures of P-256.
 * @dev A contract of its own, for it is large. Uses the precompile of RIP-7212 (EIP-7951) where the chain has it, else Solidity. Signatures with a high s
 * are refused, so that there is no second one.
 */
contract PasskeyVerifier {
    function isValid(bytes32 message, bytes32 r, bytes32 s, bytes32 x, bytes32 y) external view returns (bool) {
        return P256.verify(message, r, s, x, y);
    }
}
