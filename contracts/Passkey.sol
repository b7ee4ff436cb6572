// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {WebAuthn} from "@openzeppelin/contracts/utils/cryptography/WebAuthn.sol";

/// @notice An assertion by a passkey (WebAuthn, ES256): the challenge is the 32 bytes that an EIP-712 signature would sign.
struct Passkey {
    /// Public key: a point of P-256.
    bytes32 x;
    bytes32 y;
    WebAuthn.WebAuthnAuth assertion;
}

/**
 * @title Checks assertions of passkeys.
 * @dev A contract of its own, for it is large. Uses the precompile of RIP-7212 (EIP-7951) where the chain has it, else Solidity.
 * The authenticator must have verified its user (UV). Signatures with a high s are refused, so that there is no second one.
 */
contract PasskeyVerifier {
    /// @return signer name of the key, as an account's key: the last 20 bytes of keccak256("P256" ‖ x ‖ y). Zero when it does not verify.
    function signerOf(bytes32 digest, Passkey calldata passkey) external view returns (address signer) {
        bool isValid = WebAuthn.verify(abi.encodePacked(digest), passkey.assertion, passkey.x, passkey.y, true);
        return isValid ? nameOf(passkey.x, passkey.y) : address(0);
    }

    /// @notice Name of a P-256 key among the keys of accounts; in another domain than addresses of secp256k1 keys.
    function nameOf(bytes32 x, bytes32 y) public pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked("P256", x, y)))));
    }
}
