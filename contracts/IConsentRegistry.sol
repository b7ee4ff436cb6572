// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CompactSignature} from "./CompactSignature.sol";
import {Passkey} from "./Passkey.sol";

/**
 * @title Which consent policies of a patient are active, and what they decide.
 * @notice A patient is a pseudonym (a keyed hash made off chain). Her key files and revokes policies by EIP-712 signature (domain
 * `ConsentRegistry` version `1`), relayed by anybody. The key is a secp256k1 key, named by its address, or a passkey (P-256), named by
 * `PasskeyVerifier.nameOf`. Only hashes of policies are stored; `decideAll` gets the policies themselves in calldata of a view call,
 * checks that they are exactly the active ones, and evaluates them (byte layout: docs/consent.md). Nothing here can be paused.
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
        Pending,
        /// permit: an emergency was declared (IEmergencyAccess), and no denial holds in emergencies too
        Emergency,
        /// permit: the patient made the requester her delegate
        Delegate
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
        /// Bit 3: the requester, `actor`, claims to be a delegate of the patient.
        uint8 relation;
        /// Number of the emergency that was declared for `actor`; 0 for none.
        uint64 emergency;
        /// Blinded term of the requester; needed for a delegate and in an emergency only.
        bytes16 actor;
        /// Blinded terms that hold for the request, 16 bytes each, ascending.
        bytes terms;
        /// Memberships that the requester claims: pairs (group, member) of blinded terms, 32 bytes each. Checked with IGroupRegistry.
        bytes groups;
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
    event DelegateChanged(bytes32 indexed patient, address key, bytes16 actor, uint64 until);
    event RecoveryChanged(bytes32 indexed patient, address key, uint32 delayS);
    event RecoveryStarted(bytes32 indexed patient, address next, uint64 readyAt);
    event RecoveryCancelled(bytes32 indexed patient);

    error ConsentRegistryInvalidSignature(bytes32 patient);
    error ConsentRegistryExpired(uint64 deadline, uint256 time);
    error ConsentRegistryNotKey(bytes32 patient, address signer);
    error ConsentRegistryNotRelay(address sender);
    error ConsentRegistryNotActive(bytes32 patient, uint32 index);
    error ConsentRegistryPolicyMismatch(bytes32 patient, uint32 index);
    error ConsentRegistryPoliciesIncomplete(bytes32 patient, uint256 given);
    error ConsentRegistryTooManyPolicies(bytes32 patient, uint256 given);
    error ConsentRegistryNoKey(bytes32 patient);
    error ConsentRegistryNotRecoveryKey(bytes32 patient, address signer);
    error ConsentRegistryNoRecovery(bytes32 patient);
    error ConsentRegistryTooEarly(bytes32 patient, uint64 readyAt);

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

    /// @notice `file` by a passkey.
    function fileWithPasskey(bytes32 patient, bytes32 policy, uint64 deadline, Passkey calldata passkey)
        external
        returns (uint32 index);

    /// @notice `revoke` by a passkey.
    function revokeWithPasskey(bytes32 patient, uint32 index, bytes32 policy, Passkey calldata passkey) external;

    /// @notice `changeKey` by a passkey.
    function changeKeyWithPasskey(
        bytes32 patient,
        address key,
        bytes32[] calldata policies,
        uint64 deadline,
        Passkey calldata passkey
    ) external;

    /**
     * @notice Makes a delegate: `key` may file and revoke for the patient, the requester whose blinded term is `actor` is treated as the
     * patient herself, both until the second `until`. Zero leaves one of them out; `until` zero ends it. Ends when the patient's key changes.
     * Where nothing was filed for the patient it binds her key, as a first filing does, and must be relayed alike.
     * @param signature over Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline), index as for
     * `file`: 64 bytes (r, vs), or an ABI-encoded Passkey.
     */
    function delegate(
        bytes32 patient,
        address key,
        bytes16 actor,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /**
     * @notice Says which key may replace the patient's when it is lost: one that her guardians hold in shares. `key` zero for none.
     * @param delayS seconds between the start and the end of a recovery, in which the present key can cancel it.
     * @param signature over Recovery(bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline), as for `delegate`; may be the
     * first statement too.
     */
    function setRecovery(bytes32 patient, address key, uint32 delayS, uint64 deadline, bytes calldata signature)
        external;

    /// @notice Starts to replace the key by `next`. @param signature of the recovery key over
    /// Recover(bytes32 patient,address next,uint32 index,uint64 deadline).
    function startRecovery(bytes32 patient, address next, uint64 deadline, CompactSignature calldata signature)
        external;

    /// @notice The present key stops a recovery. @param signature over CancelRecovery(bytes32 patient,uint32 index), as for `delegate`.
    function cancelRecovery(bytes32 patient, bytes calldata signature) external;

    /// @notice Hands the account to the new key once the delay is over; by anybody. The recovery key is used up.
    /// @param policies as for `changeKey`.
    function finishRecovery(bytes32 patient, bytes32[] calldata policies) external;

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

    /// @return keyUntil second until which `key` may file and revoke for the patient, 0 for never
    /// @return actorUntil second until which `actor` is treated as the patient
    function delegateOf(bytes32 patient, address key, bytes16 actor)
        external
        view
        returns (uint64 keyUntil, uint64 actorUntil);

    /// @return key that may start a recovery; delayS how long one takes; next the key that comes, zero while none is under way; readyAt when
    function recoveryOf(bytes32 patient) external view returns (address key, uint32 delayS, address next, uint64 readyAt);

    /// @notice True when `policy` was filed under `index` and not revoked.
    function isActive(bytes32 patient, uint32 index, bytes32 policy) external view returns (bool);
}
