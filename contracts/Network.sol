// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {INetwork} from "./INetwork.sol";

/// @title Members, governance and directory: see INetwork.
contract Network is INetwork {
    struct Proposal {
        address target;
        bool executed;
        bytes action;
        address[] ratifiers;
    }

    uint256 private _memberCount;
    mapping(address member => bool) private _isMember;
    Proposal[] private _proposals;
    mapping(bytes32 organisation => Organisation) private _organisations;
    mapping(address relay => bytes32 organisation) private _relays;

    modifier onlySelf() {
        if (msg.sender != address(this)) revert NetworkNotSelf(msg.sender);
        _;
    }

    modifier onlyMember() {
        if (!_isMember[msg.sender]) revert NetworkNotMember(msg.sender);
        _;
    }

    constructor(address[] memory members) {
        if (members.length == 0) revert NetworkNoMembers();
        for (uint256 i = 0; i < members.length; ++i) _addMember(members[i]);
    }

    /// @inheritdoc INetwork
    function propose(address target, bytes calldata action) external onlyMember returns (uint256 proposal) {
        _proposals.push();
        proposal = _proposals.length;
        Proposal storage entry = _proposals[proposal - 1];
        entry.target = target;
        entry.action = action;
        emit Proposed(proposal, msg.sender, target, action);
        _ratify(proposal, entry);
    }

    /// @inheritdoc INetwork
    function ratify(uint256 proposal) external onlyMember {
        if (proposal == 0 || proposal > _proposals.length) revert NetworkUnknownProposal(proposal);
        Proposal storage entry = _proposals[proposal - 1];
        if (entry.executed) revert NetworkAlreadyExecuted(proposal);
        for (uint256 i = 0; i < entry.ratifiers.length; ++i) {
            if (entry.ratifiers[i] == msg.sender) revert NetworkAlreadyRatified(proposal, msg.sender);
        }
        _ratify(proposal, entry);
    }

    /// @inheritdoc INetwork
    function addMember(address member) external onlySelf {
        _addMember(member);
    }

    /// @inheritdoc INetwork
    function removeMember(address member) external onlySelf {
        if (!_isMember[member]) revert NetworkNotMember(member);
        if (_memberCount == 1) revert NetworkNoMembers();
        _isMember[member] = false;
        --_memberCount;
        emit MemberRemoved(member);
    }

    /// @inheritdoc INetwork
    function setOrganisation(bytes32 organisation, Organisation calldata entry) external onlySelf {
        delete _relays[_organisations[organisation].relay];
        if (entry.relay != address(0)) {
            bytes32 holder = _relays[entry.relay];
            if (holder != bytes32(0)) revert NetworkRelayTaken(entry.relay, holder);
            _relays[entry.relay] = organisation;
        }
        _organisations[organisation] = entry;
        emit OrganisationChanged(organisation, entry.baseUrl, entry.relay, entry.status);
    }

    /// @inheritdoc INetwork
    function organisationOf(bytes32 organisation) external view returns (Organisation memory) {
        return _organisations[organisation];
    }

    /// @inheritdoc INetwork
    function isMember(address account) external view returns (bool) {
        return _isMember[account];
    }

    /// @inheritdoc INetwork
    function memberCount() external view returns (uint256) {
        return _memberCount;
    }

    /// @inheritdoc INetwork
    function quorum() public view returns (uint256) {
        return (2 * _memberCount) / 3 + 1;
    }

    /// @inheritdoc INetwork
    function isRelay(address account) external view returns (bool) {
        return organisationOfRelay(account) != bytes32(0);
    }

    /// @inheritdoc INetwork
    function organisationOfRelay(address account) public view returns (bytes32) {
        bytes32 organisation = _relays[account];
        bool isActive = _organisations[organisation].status == OrganisationStatus.Active;
        return isActive ? organisation : bytes32(0);
    }

    function _addMember(address member) private {
        if (_isMember[member]) revert NetworkAlreadyMember(member);
        _isMember[member] = true;
        ++_memberCount;
        emit MemberAdded(member);
    }

    function _ratify(uint256 proposal, Proposal storage entry) private {
        entry.ratifiers.push(msg.sender);
        emit Ratified(proposal, msg.sender);
        // Those who left since they ratified no longer count.
        uint256 present = 0;
        for (uint256 i = 0; i < entry.ratifiers.length; ++i) {
            if (_isMember[entry.ratifiers[i]]) ++present;
        }
        if (present < quorum()) return;
        entry.executed = true;
        emit Executed(proposal);
        Address.functionCall(entry.target, entry.action);
    }
}
