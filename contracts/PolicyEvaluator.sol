// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IConsentRegistry} from "./IConsentRegistry.sol";
import {IGroupRegistry} from "./IGroupRegistry.sol";

/**
 * @title Evaluates one policy for one request: the provision tree of a FHIR Consent.
 * @dev Byte layout in docs/consent.md. Reverts (Panic or PolicyMalformed) when the bytes are not well formed.
 */
library PolicyEvaluator {
    /// @dev `Final` is a denial that holds in emergencies too.
    enum Effect {
        None,
        Deny,
        Permit,
        Final
    }

    error PolicyMalformed(uint256 offset);

    uint256 private constant FLAGS = 1;
    uint256 private constant GROUP = 18;
    uint256 private constant TIME = 34;
    uint256 private constant ROOT = 42;
    uint256 private constant MAX_DEPTH = 31;

    uint8 private constant TERM = 1;
    uint8 private constant ALL_TERMS = 2;
    uint8 private constant CONFIDENTIALITY_AT_MOST = 3;
    uint8 private constant CONFIDENTIALITY_AT_LEAST = 4;
    uint8 private constant TIME_WITHIN = 5;
    uint8 private constant DATA_WITHIN = 6;
    uint8 private constant DATA_OVERLAPS = 7;
    uint8 private constant ALWAYS = 8;
    uint8 private constant MEMBER_OF = 9;

    /// @notice Blinded name of (scope, policy, grantor): the newest policy of a group supersedes the others.
    function groupOf(bytes calldata policy) internal pure returns (bytes16) {
        return bytes16(policy[GROUP:GROUP + 16]);
    }

    /// @notice Time of the consent, milliseconds since 1970.
    function timeOf(bytes calldata policy) internal pure returns (uint64) {
        return uint64(bytes8(policy[TIME:TIME + 8]));
    }

    /// @notice What the policy says; Permit counts as None when its overarching policy is unknown to the operator.
    function evaluate(bytes calldata policy, IConsentRegistry.Request calldata request, IGroupRegistry groups)
        internal
        view
        returns (Effect effect, bytes32 path)
    {
        if (policy[0] != 0x01) revert PolicyMalformed(0);
        uint256 end;
        (effect, path, end) = _node(policy, ROOT, request, groups, 0);
        if (end != policy.length) revert PolicyMalformed(end);
        if (effect == Effect.Permit && uint8(policy[FLAGS]) & 1 != 0) return (Effect.None, bytes32(0));
    }

    /// @dev A node: type u8, length u32 of what follows, criteria count u8, criteria, nested nodes up to the end.
    function _node(
        bytes calldata policy,
        uint256 offset,
        IConsentRegistry.Request calldata request,
        IGroupRegistry groups,
        uint256 depth
    ) private view returns (Effect effect, bytes32 path, uint256 end) {
        if (depth > MAX_DEPTH) revert PolicyMalformed(offset);
        uint8 kind = uint8(policy[offset]);
        if (kind > uint8(Effect.Final)) revert PolicyMalformed(offset);
        end = offset + 5 + uint32(bytes4(policy[offset + 1:offset + 5]));
        if (end > policy.length) revert PolicyMalformed(offset);
        uint256 criteria = uint8(policy[offset + 5]);
        offset += 6;
        for (; criteria > 0; --criteria) {
            uint256 next = offset + 4 + uint32(bytes4(policy[offset:offset + 4]));
            if (next > end) revert PolicyMalformed(offset);
            if (!_anyOf(policy, offset + 4, next, request, groups)) return (Effect.None, bytes32(0), end);
            offset = next;
        }
        effect = Effect(kind);
        path = bytes32(depth << 248);
        // The deeper match overrides; among siblings deny wins.
        bool isOverridden = false;
        for (uint256 child = 0; offset < end; ++child) {
            (Effect nested, bytes32 nestedPath, uint256 next) = _node(policy, offset, request, groups, depth + 1);
            if (next > end) revert PolicyMalformed(offset);
            offset = next;
            if (nested == Effect.None || (isOverridden && _rank(nested) <= _rank(effect))) continue;
            isOverridden = true;
            effect = nested;
            path = nestedPath | bytes32((child < 255 ? child : 255) << (8 * (30 - depth)));
        }
        if (offset != end) revert PolicyMalformed(offset);
    }

    /// @dev Among siblings the stricter wins.
    function _rank(Effect effect) private pure returns (uint8) {
        return effect == Effect.Permit ? 0 : uint8(effect);
    }

    /// @dev True when one of the alternatives in [offset, end) holds; an empty criterion never does.
    function _anyOf(
        bytes calldata policy,
        uint256 offset,
        uint256 end,
        IConsentRegistry.Request calldata request,
        IGroupRegistry groups
    ) private view returns (bool) {
        while (offset < end) {
            uint8 kind = uint8(policy[offset++]);
            bool holds;
            if (kind == TERM) {
                holds = _has(request.terms, bytes16(policy[offset:offset + 16]));
                offset += 16;
            } else if (kind == ALL_TERMS) {
                uint256 count = uint8(policy[offset++]);
                holds = true;
                for (; count > 0; --count) {
                    if (holds) holds = _has(request.terms, bytes16(policy[offset:offset + 16]));
                    offset += 16;
                }
            } else if (kind == CONFIDENTIALITY_AT_MOST) {
                holds = request.confidentiality <= uint8(policy[offset++]);
            } else if (kind == CONFIDENTIALITY_AT_LEAST) {
                holds = request.confidentiality >= uint8(policy[offset++]);
            } else if (kind >= TIME_WITHIN && kind <= DATA_OVERLAPS) {
                int64 from = int64(uint64(bytes8(policy[offset:offset + 8])));
                int64 until = int64(uint64(bytes8(policy[offset + 8:offset + 16])));
                offset += 16;
                bool isDated = request.dataStart < request.dataEnd;
                if (kind == TIME_WITHIN) holds = from <= request.time && request.time < until;
                else if (kind == DATA_WITHIN) holds = isDated && from <= request.dataStart && request.dataEnd <= until;
                else holds = !isDated || (from < request.dataEnd && request.dataStart < until);
            } else if (kind == ALWAYS) {
                holds = true;
            } else if (kind == MEMBER_OF) {
                holds = _isMember(request.groups, bytes16(policy[offset:offset + 16]), groups);
                offset += 16;
            } else {
                revert PolicyMalformed(offset - 1);
            }
            if (offset > end) revert PolicyMalformed(offset);
            if (holds) return true;
        }
        return false;
    }

    /// @dev A claim (group, member) counts when the registry says that it holds.
    function _isMember(bytes calldata claims, bytes16 group, IGroupRegistry groups) private view returns (bool) {
        for (uint256 i = 0; i + 32 <= claims.length; i += 32) {
            if (bytes16(claims[i:i + 16]) == group && groups.holds(keccak256(claims[i:i + 32]))) return true;
        }
        return false;
    }

    /// @dev Binary search in ascending 16-byte terms.
    function _has(bytes calldata terms, bytes16 term) private pure returns (bool) {
        uint256 low = 0;
        uint256 high = terms.length / 16;
        while (low < high) {
            uint256 middle = (low + high) >> 1;
            bytes16 found = bytes16(terms[middle * 16:middle * 16 + 16]);
            if (found == term) return true;
            if (found < term) low = middle + 1;
            else high = middle;
        }
        return false;
    }
}
