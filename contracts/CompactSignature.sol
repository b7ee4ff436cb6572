// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice A secp256k1 signature in the compact form of EIP-2098; `s` must be in the lower half of the order.
struct CompactSignature {
    bytes32 r;
    /// The parity of the point in the top bit, `s` in the other 255.
    bytes32 vs;
}
