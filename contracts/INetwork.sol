// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/**
 * @title The members of a network, what they decide together, and the directory of their organisations.
 * @notice Members propose calls and ratify them; a call is made when floor(2N/3)+1 of the N members ratified it. There is no owner and
 * no upgrade key. Contracts that obey the members check that `msg.sender` is this contract.
 */
interface INetwork {
    enum OrganisationStatus {
        Unknown,
        Active,
        Suspended
    }

    /// @notice What anybody may look up about an organisation: where its FHIR endpoint is and which keys are its own.
    struct Organisation {
        /// Base URL of its FHIR endpoint, e.g. `https://hospital.example/fhir`.
        string baseUrl;
        /// Its public keys as a JWK set (RFC 7517), UTF-8.
        bytes publicKeys;
        /// Account that relays transactions for it (registers patients' keys); zero when it relays none.
        address relay;
        OrganisationStatus status;
    }

    event MemberAdded(address indexed member);
    event MemberRemoved(address indexed member);
    event Proposed(uint256 indexed proposal, address indexed member, address target, bytes action);
    event Ratified(uint256 indexed proposal, address indexed member);
    event Executed(uint256 indexed proposal);
    event OrganisationChanged(bytes32 indexed organisation, string baseUrl, address relay, OrganisationStatus status);

    error NetworkNotMember(address sender);
    error NetworkNotSelf(address sender);
    error NetworkAlreadyMember(address member);
    error NetworkNoMembers();
    error NetworkUnknownProposal(uint256 proposal);
    error NetworkAlreadyExecuted(uint256 proposal);
    error NetworkAlreadyRatified(uint256 proposal, address member);
    error NetworkRelayTaken(address relay, bytes32 organisation);

    /**
     * @notice Proposes that the network calls `target` with `action`; the proposer ratifies by proposing.
     * @return proposal its number, from 1. With a quorum of one it is executed at once.
     */
    function propose(address target, bytes calldata action) external returns (uint256 proposal);

    /// @notice Ratifies a proposal; the call is made when the quorum of the present members is reached.
    function ratify(uint256 proposal) external;

    /// @notice Only by a ratified proposal.
    function addMember(address member) external;

    /// @notice Only by a ratified proposal; the last member cannot be removed.
    function removeMember(address member) external;

    /// @notice Writes a directory entry; only by a ratified proposal. `organisation` is the SHA-256 of its identifier.
    function setOrganisation(bytes32 organisation, Organisation calldata entry) external;

    function organisationOf(bytes32 organisation) external view returns (Organisation memory);

    function isMember(address account) external view returns (bool);

    function memberCount() external view returns (uint256);

    /// @notice floor(2N/3)+1 of the members.
    function quorum() external view returns (uint256);

    /// @notice True when `account` relays for an organisation whose status is Active.
    function isRelay(address account) external view returns (bool);

    /// @notice The active organisation that `account` relays for; zero when there is none.
    function organisationOfRelay(address account) external view returns (bytes32);
}
