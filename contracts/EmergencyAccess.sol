// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {CompactSignature} from "./CompactSignature.sol";
import {IConsentRegistry} from "./IConsentRegistry.sol";
import {IEmergencyAccess} from "./IEmergencyAccess.sol";
import {INetwork} from "./INetwork.sol";

/// @title Break-glass grants: see IEmergencyAccess.
contract EmergencyAccess is IEmergencyAccess, EIP712 {
    bytes32 private constant CONTEST_TYPEHASH = keccak256("Contest(uint64 grant,bytes32 reason)");

    INetwork public immutable NETWORK;
    /// @dev Knows the patients' keys; it is the contract that creates this one.
    IConsentRegistry public immutable REGISTRY;

    uint32 private _maxDurationS;
    mapping(bytes16 role => bool) private _isNamed;
    Grant[] private _grants;

    modifier onlyNetwork() {
        if (msg.sender != address(NETWORK)) revert EmergencyAccessNotNetwork(msg.sender);
        _;
    }

    constructor(INetwork network, IConsentRegistry registry) EIP712("EmergencyAccess", "1") {
        NETWORK = network;
        REGISTRY = registry;
    }

    /// @inheritdoc IEmergencyAccess
    function setRules(bytes16[] calldata named, bytes16[] calldata unnamed, uint32 maxDurationS) external onlyNetwork {
        for (uint256 i = 0; i < unnamed.length; ++i) _isNamed[unnamed[i]] = false;
        for (uint256 i = 0; i < named.length; ++i) _isNamed[named[i]] = true;
        _maxDurationS = maxDurationS;
        emit RulesChanged(named, unnamed, maxDurationS);
    }

    /// @inheritdoc IEmergencyAccess
    function declare(bytes32 patient, bytes32 holder, bytes16 role, bytes32 reason, uint32 durationS)
        external
        returns (uint64 grant)
    {
        bytes32 organisation = NETWORK.organisationOfRelay(msg.sender);
        if (organisation == bytes32(0)) revert EmergencyAccessNotRelay(msg.sender);
        if (!_isNamed[role]) revert EmergencyAccessRoleNotNamed(role);
        if (durationS == 0 || durationS > _maxDurationS) revert EmergencyAccessTooLong(durationS, _maxDurationS);
        uint64 from = uint64(block.timestamp);
        uint64 until = from + durationS;
        _grants.push(Grant(patient, holder, organisation, from, until, Verdict.None));
        grant = uint64(_grants.length);
        emit EmergencyDeclared(grant, patient, organisation, holder, role, reason, until);
    }

    /// @inheritdoc IEmergencyAccess
    function end(uint64 grant) external {
        Grant storage entry = _grant(grant);
        if (NETWORK.organisationOfRelay(msg.sender) != entry.organisation) {
            revert EmergencyAccessNotOrganisation(grant, msg.sender);
        }
        if (block.timestamp >= entry.until) revert EmergencyAccessNotOpen(grant);
        entry.until = uint64(block.timestamp);
        emit EmergencyEnded(grant, entry.patient);
    }

    /// @inheritdoc IEmergencyAccess
    function contest(uint64 grant, bytes32 reason, CompactSignature calldata signature) external {
        Grant storage entry = _grant(grant);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CONTEST_TYPEHASH, grant, reason)));
        (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
        (address key,) = REGISTRY.accountOf(entry.patient);
        if (problem != ECDSA.RecoverError.NoError || signer != key) revert EmergencyAccessNotKey(entry.patient);
        _contest(entry, grant, reason);
    }

    /// @inheritdoc IEmergencyAccess
    function contestFor(uint64 grant, bytes32 reason) external {
        if (!NETWORK.isRelay(msg.sender)) revert EmergencyAccessNotRelay(msg.sender);
        _contest(_grant(grant), grant, reason);
    }

    /// @inheritdoc IEmergencyAccess
    function resolve(uint64 grant, bool isMisuse) external onlyNetwork {
        Grant storage entry = _grant(grant);
        if (entry.verdict != Verdict.Contested) revert EmergencyAccessNotContested(grant);
        entry.verdict = isMisuse ? Verdict.Misuse : Verdict.Justified;
        emit EmergencyResolved(grant, entry.patient, isMisuse);
    }

    /// @inheritdoc IEmergencyAccess
    function isOpen(uint64 grant, bytes32 patient, bytes32 holder, uint64 time) external view returns (bool) {
        if (grant == 0 || grant > _grants.length) return false;
        Grant storage entry = _grants[grant - 1];
        // Neither a caller whose clock is behind nor a chain without new blocks keeps it open.
        bool isOver = time >= entry.until || block.timestamp >= entry.until;
        return entry.patient == patient && entry.holder == holder && !isOver;
    }

    /// @inheritdoc IEmergencyAccess
    function grantOf(uint64 grant) external view returns (Grant memory) {
        return _grant(grant);
    }

    /// @inheritdoc IEmergencyAccess
    function rulesOf(bytes16 role) external view returns (bool isNamed, uint32 maxDurationS) {
        return (_isNamed[role], _maxDurationS);
    }

    function _contest(Grant storage entry, uint64 grant, bytes32 reason) private {
        if (entry.verdict != Verdict.None) revert EmergencyAccessAlreadyContested(grant);
        entry.verdict = Verdict.Contested;
        if (block.timestamp < entry.until) entry.until = uint64(block.timestamp);
        emit EmergencyContested(grant, entry.patient, reason);
    }

    function _grant(uint64 grant) private view returns (Grant storage) {
        if (grant == 0 || grant > _grants.length) revert EmergencyAccessUnknownGrant(grant);
        return _grants[grant - 1];
    }
}
