// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/**
 * @title Who belongs to which group, blinded.
 * @notice A membership is keccak256(group ‖ member), both being 16-byte terms that only the network's key can make. Nobody else can tell
 * which memberships share a group or a member. A group's handle is keccak256(group): it names the organisation that may change it.
 */
interface IGroupRegistry {
    event GroupFounded(bytes32 indexed handle, bytes32 indexed organisation);
    /// @param epoch of the group after the change; keys shared with the group are renewed when it grows by a removal
    event MembershipsChanged(bytes32 indexed handle, uint32 indexed epoch, bytes32[] added, bytes32[] removed);

    error GroupRegistryNotRelay(address sender);
    error GroupRegistryNotOwner(bytes32 handle, address sender);
    error GroupRegistryAlreadyMember(bytes32 membership);
    error GroupRegistryNotMember(bytes32 membership);
    error GroupRegistryNothingToDo(bytes32 handle);

    /**
     * @notice Adds and removes members. The first change founds the group for the organisation that the sender relays for; later ones are
     * for any relay of that organisation. Each change is a new epoch.
     */
    function change(bytes32 handle, bytes32[] calldata added, bytes32[] calldata removed) external;

    /// @return organisation that owns the group; zero when there is no such group
    /// @return epoch number of changes
    function groupOf(bytes32 handle) external view returns (bytes32 organisation, uint32 epoch);

    /// @notice True when `membership` holds now.
    function holds(bytes32 membership) external view returns (bool);
}
