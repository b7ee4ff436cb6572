// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";

/**
 * @title Break-glass: access in an emergency, told to everybody, for roles that the members named, and for a bounded time.
 * @notice One event a declaration, without identifying content: pseudonym of the patient, a holder that is different for each patient, a
 * blinded role, a salted digest of the reason. The patient (or her organisation for her) can contest it, which ends it at once; the members
 * say whether it was misuse.
 */
interface IEmergencyAccess {
    enum Verdict {
        None,
        Contested,
        Justified,
        Misuse
    }

    struct Grant {
        bytes32 patient;
        /// keccak256(actor term ‖ patient)
        bytes32 holder;
        bytes32 organisation;
        /// Seconds since 1970; the grant is open in [from, until).
        uint64 from;
        uint64 until;
        Verdict verdict;
    }

    event RulesChanged(bytes16[] named, bytes16[] unnamed, uint32 maxDurationS);
    event EmergencyDeclared(
        uint64 indexed grant,
        bytes32 indexed patient,
        bytes32 indexed organisation,
        bytes32 holder,
        bytes16 role,
        bytes32 reason,
        uint64 until
    );
    event EmergencyEnded(uint64 indexed grant, bytes32 indexed patient);
    event EmergencyContested(uint64 indexed grant, bytes32 indexed patient, bytes32 reason);
    event EmergencyResolved(uint64 indexed grant, bytes32 indexed patient, bool isMisuse);

    error EmergencyAccessNotNetwork(address sender);
    error EmergencyAccessNotRelay(address sender);
    error EmergencyAccessNotOrganisation(uint64 grant, address sender);
    error EmergencyAccessRoleNotNamed(bytes16 role);
    error EmergencyAccessTooLong(uint32 durationS, uint32 maxDurationS);
    error EmergencyAccessUnknownGrant(uint64 grant);
    error EmergencyAccessNotOpen(uint64 grant);
    error EmergencyAccessNotKey(bytes32 patient);
    error EmergencyAccessAlreadyContested(uint64 grant);
    error EmergencyAccessNotContested(uint64 grant);

    /// @notice Names roles and takes names back, and bounds how long a grant lasts; open grants stay. Only by the network.
    function setRules(bytes16[] calldata named, bytes16[] calldata unnamed, uint32 maxDurationS) external;

    /**
     * @notice Declares an emergency; only by a relay of an active organisation, which answers for who asked.
     * @param role blinded role of the requester: one that the members named.
     * @param reason salted SHA-256 of the reason that was given.
     * @param durationS at least 1, at most the bound.
     * @return grant its number, from 1.
     */
    function declare(bytes32 patient, bytes32 holder, bytes16 role, bytes32 reason, uint32 durationS)
        external
        returns (uint64 grant);

    /// @notice The organisation that declared it ends a grant before its time.
    function end(uint64 grant) external;

    /**
     * @notice The patient contests a grant, also one that has ended; an open one ends.
     * @param signature by her key over Contest(uint64 grant,bytes32 reason), domain `EmergencyAccess` version `1`.
     */
    function contest(uint64 grant, bytes32 reason, CompactSignature calldata signature) external;

    /// @notice As `contest`, by the relay of any active organisation on behalf of the patient.
    function contestFor(uint64 grant, bytes32 reason) external;

    /// @notice What the members found about a contested grant. Only by the network.
    function resolve(uint64 grant, bool isMisuse) external;

    /// @notice True when the grant is for this patient and holder, and over neither at `time` (seconds since 1970) nor by the chain's clock.
    function isOpen(uint64 grant, bytes32 patient, bytes32 holder, uint64 time) external view returns (bool);

    function grantOf(uint64 grant) external view returns (Grant memory);

    /// @return isNamed whether the role may declare; maxDurationS the bound
    function rulesOf(bytes16 role) external view returns (bool isNamed, uint32 maxDurationS);
}
