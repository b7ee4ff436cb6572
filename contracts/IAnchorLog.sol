// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";

/**
 * @title The attested, append-only head of a Merkle log of FHIR record versions.
 * @notice The log itself (RFC 6962 / RFC 9162 tree over record leaves) lies off chain. The contract stores its newest head and accepts
 * only an extension of it that M = floor(2N/3)+1 of the N validators of the present epoch signed (EIP-712, domain `AnchorLog` version `1`).
 */
interface IAnchorLog {
    /// @notice What validators sign for one batch.
    struct Head {
        /// Root of the log after the batch (RFC 6962).
        bytes32 root;
        /// Leaves in the log after the batch.
        uint64 size;
        /// Root and size that the batch extends: the head stored before it.
        bytes32 prevRoot;
        uint64 prevSize;
        /// SHA-256 of the ProfileSet manifest that the batch was validated against.
        bytes32 profileSet;
        /// Root over the validators' receipts of the batch.
        bytes32 receiptsRoot;
        /// Least conformance level of the batch: 0 parses, 1 base R4, 2 declared profiles, 3 all bindings.
        uint8 leastLevel;
        /// Epoch of the validator set that signs.
        uint32 epoch;
    }

    event HeadAnchored(
        uint64 indexed batch,
        uint64 indexed size,
        bytes32 root,
        uint64 prevSize,
        bytes32 prevRoot,
        bytes32 profileSet,
        bytes32 receiptsRoot,
        uint8 leastLevel,
        uint32 epoch
    );
    event ValidatorsChanged(uint32 indexed epoch, address[] added, address[] removed, uint16 validatorCount);
    event ProfileSetRatified(bytes32 indexed profileSet);
    event ProfileSetRetired(bytes32 indexed profileSet);
    event PausedChanged(bool paused);
    event EquivocationProven(address indexed validator, uint64 indexed size, bytes32 root, bytes32 otherRoot);

    error AnchorLogPaused();
    error AnchorLogNotNetwork(address sender);
    error AnchorLogNotExtension(bytes32 headRoot, uint64 headSize, bytes32 prevRoot, uint64 prevSize);
    error AnchorLogNotGrown(uint64 size, uint64 prevSize);
    error AnchorLogWrongEpoch(uint32 epoch, uint32 currentEpoch);
    error AnchorLogProfileSetNotRatified(bytes32 profileSet);
    error AnchorLogQuorumMissing(uint256 signatures, uint256 quorum);
    error AnchorLogInvalidSignature(uint256 index);
    error AnchorLogSignersNotSorted(address previous, address signer);
    error AnchorLogNotValidator(address signer);
    error AnchorLogAlreadyValidator(address validator);
    error AnchorLogNoConflict();
    error AnchorLogDifferentSigners(address signer, address otherSigner);

    /**
     * @notice Stores an attested head. Anybody may relay it.
     * @param head The statement; `prevRoot` and `prevSize` must be the stored head's, `size` must grow.
     * @param signatures At least the quorum, by distinct validators, sorted by signer's address, ascending.
     */
    function anchor(Head calldata head, CompactSignature[] calldata signatures) external;

    /**
     * @notice Proves that a validator signed two heads that cannot both be true: two roots for one size. Removes it from the set.
     * @dev A validator that signs the same size twice with the same root does nothing wrong.
     */
    function dispute(
        Head calldata head,
        CompactSignature calldata signature,
        Head calldata otherHead,
        CompactSignature calldata otherSignature
    ) external;

    /// @notice Changes the validator set and begins a new epoch. Only by the network.
    function changeValidators(address[] calldata added, address[] calldata removed) external;

    /// @notice Adds a ProfileSet that heads may name. Only by the network.
    function ratifyProfileSet(bytes32 profileSet) external;

    /// @notice No new head may name the set; heads that named it stay as they are. It can be ratified again. Only by the network.
    function retireProfileSet(bytes32 profileSet) external;

    /// @notice Stops or resumes anchoring. Consent is not touched by it. Only by the network.
    function setPaused(bool paused) external;

    /// @return root of the log, SHA-256 of nothing while it is empty
    /// @return size in leaves
    /// @return batch how many batches were anchored
    /// @return epoch of the validator set, from 1
    /// @return validatorCount N
    /// @return quorum M = floor(2N/3)+1
    /// @return paused whether anchoring is stopped
    function head()
        external
        view
        returns (
            bytes32 root,
            uint64 size,
            uint64 batch,
            uint32 epoch,
            uint16 validatorCount,
            uint16 quorum,
            bool paused
        );

    function isValidator(address account) external view returns (bool);

    function isRatified(bytes32 profileSet) external view returns (bool);

    /// @notice The 32 bytes that validators sign for `head` (EIP-712).
    function digestOf(Head calldata head) external view returns (bytes32);
}
