// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {IAnchorLog} from "./IAnchorLog.sol";

/// @title The attested head of the log: see IAnchorLog.
contract AnchorLog is IAnchorLog, EIP712 {
    bytes32 private constant HEAD_TYPEHASH = keccak256(
        "Head(bytes32 root,uint64 size,bytes32 prevRoot,uint64 prevSize,bytes32 profileSet,bytes32 receiptsRoot,uint8 leastLevel,uint32 epoch)"
    );

    /// @dev Everything but the root, in one slot: an anchor writes two slots.
    struct State {
        uint64 size;
        uint64 batch;
        uint32 epoch;
        uint16 validatorCount;
        uint16 quorum;
        bool paused;
    }

    address public immutable NETWORK;

    bytes32 private _root = sha256("");
    State private _state;
    mapping(address validator => bool) private _isValidator;
    mapping(bytes32 profileSet => bool) private _isRatified;

    modifier onlyNetwork() {
        if (msg.sender != NETWORK) revert AnchorLogNotNetwork(msg.sender);
        _;
    }

    constructor(address network, address[] memory validators, bytes32[] memory profileSets) EIP712("AnchorLog", "1") {
        NETWORK = network;
        _changeValidators(validators, new address[](0));
        for (uint256 i = 0; i < profileSets.length; ++i) _ratifyProfileSet(profileSets[i]);
    }

    /// @inheritdoc IAnchorLog
    function anchor(Head calldata newHead, CompactSignature[] calldata signatures) external {
        State memory state = _state;
        if (state.paused) revert AnchorLogPaused();
        bytes32 root = _root;
        if (newHead.prevRoot != root || newHead.prevSize != state.size) {
            revert AnchorLogNotExtension(root, state.size, newHead.prevRoot, newHead.prevSize);
        }
        if (newHead.size <= state.size) revert AnchorLogNotGrown(newHead.size, state.size);
        if (newHead.epoch != state.epoch) revert AnchorLogWrongEpoch(newHead.epoch, state.epoch);
        if (!_isRatified[newHead.profileSet]) revert AnchorLogProfileSetNotRatified(newHead.profileSet);
        if (signatures.length < state.quorum) revert AnchorLogQuorumMissing(signatures.length, state.quorum);

        bytes32 digest = digestOf(newHead);
        address previous = address(0);
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = _recover(digest, signatures[i], i);
            if (signer <= previous) revert AnchorLogSignersNotSorted(previous, signer);
            if (!_isValidator[signer]) revert AnchorLogNotValidator(signer);
            previous = signer;
        }

        state.size = newHead.size;
        ++state.batch;
        _root = newHead.root;
        _state = state;
        emit HeadAnchored(
            state.batch,
            newHead.size,
            newHead.root,
            newHead.prevSize,
            newHead.prevRoot,
            newHead.profileSet,
            newHead.receiptsRoot,
            newHead.leastLevel,
            newHead.epoch
        );
    }

    /// @inheritdoc IAnchorLog
    function dispute(
        Head calldata one,
        CompactSignature calldata signature,
        Head calldata other,
        CompactSignature calldata otherSignature
    ) external {
        address signer = _recover(digestOf(one), signature, 0);
        address otherSigner = _recover(digestOf(other), otherSignature, 1);
        if (signer != otherSigner) revert AnchorLogDifferentSigners(signer, otherSigner);
        if (!_isValidator[signer]) revert AnchorLogNotValidator(signer);
        (uint64 size, bytes32 root, bytes32 otherRoot) = _conflict(one, other);
        address[] memory removed = new address[](1);
        removed[0] = signer;
        _changeValidators(new address[](0), removed);
        emit EquivocationProven(signer, size, root, otherRoot);
    }

    /// @inheritdoc IAnchorLog
    function changeValidators(address[] calldata added, address[] calldata removed) external onlyNetwork {
        _changeValidators(added, removed);
    }

    /// @inheritdoc IAnchorLog
    function ratifyProfileSet(bytes32 profileSet) external onlyNetwork {
        _ratifyProfileSet(profileSet);
    }

    /// @inheritdoc IAnchorLog
    function retireProfileSet(bytes32 profileSet) external onlyNetwork {
        if (!_isRatified[profileSet]) revert AnchorLogProfileSetNotRatified(profileSet);
        _isRatified[profileSet] = false;
        emit ProfileSetRetired(profileSet);
    }

    /// @inheritdoc IAnchorLog
    function setPaused(bool paused) external onlyNetwork {
        _state.paused = paused;
        emit PausedChanged(paused);
    }

    /// @inheritdoc IAnchorLog
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
        )
    {
        State memory state = _state;
        return (_root, state.size, state.batch, state.epoch, state.validatorCount, state.quorum, state.paused);
    }

    /// @inheritdoc IAnchorLog
    function isValidator(address account) external view returns (bool) {
        return _isValidator[account];
    }

    /// @inheritdoc IAnchorLog
    function isRatified(bytes32 profileSet) external view returns (bool) {
        return _isRatified[profileSet];
    }

    /// @inheritdoc IAnchorLog
    function digestOf(Head calldata statement) public view returns (bytes32) {
        // All members are value types, so the struct hash is the hash of their words as they lie in calldata.
        return _hashTypedDataV4(keccak256(abi.encode(HEAD_TYPEHASH, statement)));
    }

    /// @dev ECDSA refuses signatures with a high s, so that nobody can make a second signature out of a first one.
    function _recover(bytes32 digest, CompactSignature calldata signature, uint256 index)
        private
        pure
        returns (address)
    {
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
        if (problem != ECDSA.RecoverError.NoError) revert AnchorLogInvalidSignature(index);
        return signer;
    }

    /// @dev Each statement claims two facts: the root at `size` and the root at `prevSize`. Two claims about one size must agree.
    function _conflict(Head calldata a, Head calldata b) private pure returns (uint64, bytes32, bytes32) {
        if (a.size == b.size && a.root != b.root) return (a.size, a.root, b.root);
        if (a.prevSize == b.prevSize && a.prevRoot != b.prevRoot) return (a.prevSize, a.prevRoot, b.prevRoot);
        if (a.size == b.prevSize && a.root != b.prevRoot) return (a.size, a.root, b.prevRoot);
        if (a.prevSize == b.size && a.prevRoot != b.root) return (a.prevSize, a.prevRoot, b.root);
        revert AnchorLogNoConflict();
    }

    function _ratifyProfileSet(bytes32 profileSet) private {
        _isRatified[profileSet] = true;
        emit ProfileSetRatified(profileSet);
    }

    function _changeValidators(address[] memory added, address[] memory removed) private {
        State memory state = _state;
        for (uint256 i = 0; i < removed.length; ++i) {
            if (!_isValidator[removed[i]]) revert AnchorLogNotValidator(removed[i]);
            _isValidator[removed[i]] = false;
        }
        for (uint256 i = 0; i < added.length; ++i) {
            if (added[i] == address(0)) revert AnchorLogNotValidator(added[i]);
            if (_isValidator[added[i]]) revert AnchorLogAlreadyValidator(added[i]);
            _isValidator[added[i]] = true;
        }
        state.validatorCount = uint16(state.validatorCount + added.length - removed.length);
        // N = 0 leaves a quorum of 1 that nobody can meet: anchoring stops until the network names validators.
        state.quorum = (2 * state.validatorCount) / 3 + 1;
        ++state.epoch;
        _state = state;
        emit ValidatorsChanged(state.epoch, added, removed, state.validatorCount);
    }
}
