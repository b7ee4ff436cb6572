// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGroupRegistry} from "./IGroupRegistry.sol";
import {INetwork} from "./INetwork.sol";

/// @title Blinded memberships of groups: see IGroupRegistry.
contract GroupRegistry is IGroupRegistry {
    struct Group {
        bytes32 organisation;
        uint32 epoch;
    }

    INetwork public immutable NETWORK;

    mapping(bytes32 handle => Group) private _groups;
    /// @dev Keyed by membership; the value is the handle, so that only the owner of the group can remove it.
    mapping(bytes32 membership => bytes32 handle) private _memberships;

    constructor(INetwork network) {
        NETWORK = network;
    }

    /// @inheritdoc IGroupRegistry
    function change(bytes32 handle, bytes32[] calldata added, bytes32[] calldata removed) external {
        bytes32 organisation = NETWORK.organisationOfRelay(msg.sender);
        if (organisation == bytes32(0)) revert GroupRegistryNotRelay(msg.sender);
        if (added.length + removed.length == 0) revert GroupRegistryNothingToDo(handle);
        Group storage group = _groups[handle];
        if (group.organisation == bytes32(0)) {
            group.organisation = organisation;
            emit GroupFounded(handle, organisation);
        } else if (group.organisation != organisation) {
            revert GroupRegistryNotOwner(handle, msg.sender);
        }
        for (uint256 i = 0; i < removed.length; ++i) {
            if (_memberships[removed[i]] != handle) revert GroupRegistryNotMember(removed[i]);
            delete _memberships[removed[i]];
        }
        for (uint256 i = 0; i < added.length; ++i) {
            if (_memberships[added[i]] != bytes32(0)) revert GroupRegistryAlreadyMember(added[i]);
            _memberships[added[i]] = handle;
        }
        uint32 epoch = ++group.epoch;
        emit MembershipsChanged(handle, epoch, added, removed);
    }

    /// @inheritdoc IGroupRegistry
    function groupOf(bytes32 handle) external view returns (bytes32 organisation, uint32 epoch) {
        Group memory group = _groups[handle];
        return (group.organisation, group.epoch);
    }

    /// @inheritdoc IGroupRegistry
    function holds(bytes32 membership) external view returns (bool) {
        return _memberships[membership] != bytes32(0);
    }
}
