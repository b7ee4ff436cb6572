// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";

/**
 * @title Which consent policies of a patient are active, and what they decide.
 * @notice A patient is a pseudonym (a keyed hash made off chain). Her key files and revokes policies by EIP-712 signature (domain
 * `ConsentRegistry` version `1`), relayed by anybody. Only hashes of policies are stored; `decideAll` gets the policies themselves in
 * calldata of a view call, checks that they are exactly the active ones, and evaluates them (byte layout: docs/consent.md).
 */
interface IConsentRegistry {
    enum Implicit {
        Deny,
        Permit
    }

    /// @notice Which rule decided. The order is part of the interface.
    enum Reason {
        /// deny: no consent speaks, and the operator's implicit policy denies
        NoConsent,
        /// permit: no consent speaks, and the operator's implicit policy permits
        Implicit,
        /// permit: the requester is the patient herself
        Patient,
        /// permit: the requester wrote the record, and no consent speaks; or wrote this Consent, which it can always see and revoke
        Author,
        /// permit by the provision at `path` of policy `policy`
        PermitProvision,
        /// deny by the provision at `path` of policy `policy`
        DenyProvision,
        /// deny: the caller does not know the contents of an active policy
        UnknownPolicy,
        /// deny: a policy is not well formed
        MalformedPolicy,
        /// deny: permitted as the chain stands, but not once the caller's pending changes are mined
        Pending
    }

    /// @notice What is asked about one record.
    struct Request {
        /// Time of the request, milliseconds since 1970.
        int64 time;
        /// Clinically relevant time of the record, [dataStart, dataEnd) in milliseconds since 1970; unknown when dataStart >= dataEnd.
        int64 dataStart;
        int64 dataEnd;
        /// Confidentiality of the record, high-water: 0 U, 1 L, 2 M, 3 N, 4 R, 5 V.
        uint8 confidentiality;
        /// Bit 0: the requester is the patient. Bit 1: the requester wrote the record. Bit 2: it is a Consent that the requester wrote.
        uint8 relation;
        /// Blinded terms that hold for the request, 16 bytes each, ascending.
        bytes terms;
    }

    /// @notice Requests about records of one patient.
    struct Question {
        bytes32 patient;
        /// The operator's implicit policy, for when no consent speaks.
        Implicit implicitPolicy;
        /// The active policies in order of their indexes, all of them; empty bytes for one whose contents the caller does not know.
        bytes[] policies;
        /// Indexes of policies that the caller saw revoked, not yet mined.
        uint32[] withdrawn;
        /// Policies that the caller saw filed, not yet mined.
        bytes[] pending;
        Request[] requests;
    }

    struct Decision {
        bool permit;
        Reason reason;
        /// Index of the policy that decided; 2^32-1 when none did.
        uint32 policy;
        /// Byte 0: depth of the deciding provision; byte i: number of the nested provision taken at level i (255 for more).
        bytes32 path;
    }

    event ConsentFiled(bytes32 indexed patient, uint32 index, bytes32 policy);
    event ConsentRevoked(bytes32 indexed patient, uint32 index);
    event KeyChanged(bytes32 indexed patient, address key);

    error ConsentRegistryInvalidSignature(bytes32 patient);
    error ConsentRegistryExpired(uint64 deadline, uint256 time);
    error ConsentRegistryNotKey(bytes32 patient, address signer);
    error ConsentRegistryNotRelay(address sender);
    error ConsentRegistryNotActive(bytes32 patient, uint32 index);
    error ConsentRegistryPolicyMismatch(bytes32 patient, uint32 index);
    error ConsentRegistryPoliciesIncomplete(bytes32 patient, uint256 given);
    error ConsentRegistryTooManyPolicies(bytes32 patient, uint256 given);
    error ConsentRegistryNoKey(bytes32 patient);

    /**
     * @notice Files a policy. The first filing of a patient binds her key and must be relayed by an organisation of the network.
     * @param policy keccak256 of the policy's bytes.
     * @param deadline seconds since 1970 after which the signature is void.
     * @param signature over File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline), index being `accountOf(patient).filings`:
     * each index is given once, so no signature works twice.
     * @return index of the filing.
     */
    function file(bytes32 patient, bytes32 policy, uint64 deadline, CompactSignature calldata signature)
        external
        returns (uint32 index);

    /**
     * @notice Revokes a policy for ever.
     * @param signature over Revoke(bytes32 patient,bytes32 policy,uint32 index); needs no deadline, for it can only be used once.
     */
    function revoke(bytes32 patient, uint32 index, bytes32 policy, CompactSignature calldata signature) external;

    /**
     * @notice Hands the account to another key, with all active policies.
     * @param policies hashes of the active policies in order of their indexes.
     * @param signature of the old key over ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline), index as for `file`.
     */
    function changeKey(
        bytes32 patient,
        address key,
        bytes32[] calldata policies,
        uint64 deadline,
        CompactSignature calldata signature
    ) external;

    /**
     * @notice Decides requests about records of several patients, at the block of the call.
     * @return blockNumber the block at which it was decided
     * @return decisions one for each request, in order of questions, then requests
     */
    function decideAll(Question[] calldata questions)
        external
        view
        returns (uint256 blockNumber, Decision[] memory decisions);

    /// @return key of the patient, zero when she has none
    /// @return filings how many indexes were given
    function accountOf(bytes32 patient) external view returns (address key, uint32 filings);

    /// @notice True when `policy` was filed under `index` and not revoked.
    function isActive(bytes32 patient, uint32 index, bytes32 policy) external view returns (bool);
}
