//! Every limit of the rules, with its reason. Limits of HTTP and queues lie with the parts that have them.

/// Days in one retention period: what a conversation holds is shredded period by period.
pub const RETENTION_PERIOD_DAYS: i64 = 30;
/// Most members of a conversation: a new generation wraps a key for each of their devices in one event.
pub const CONVERSATION_MEMBERS_MAX: usize = 1_000;
/// Most active devices of an account: each costs every conversation one wrap a generation.
pub const ACCOUNT_DEVICES_MAX: usize = 16;
/// Most wraps in one commit: all recipients of a full conversation at four each.
pub const GENERATION_WRAPS_MAX: usize = 4_000;
/// Largest ciphertext of a message in bytes: files travel as attachments.
pub const MESSAGE_CIPHERTEXT_BYTES_MAX: usize = 64 * 1024;
/// Largest ciphertext of a reaction in bytes: one emoji, padded.
pub const REACTION_CIPHERTEXT_BYTES_MAX: usize = 256;
/// Reaction slots of a member on a message.
pub const REACTION_SLOTS_MAX: u8 = 8;
/// Members up to whom a conversation's receipts are told to all of them as they come: in a larger one to those whose messages they
/// are about, since each of n members acknowledging to all others is n times n frames a message.
pub const RECEIPTS_FOR_ALL_MEMBERS_MAX: usize = 32;
/// Most senders that one receipt in a larger conversation is told to as it comes; the others see it when they ask.
pub const RECEIPT_SENDERS_MAX: usize = 32;
/// Newest messages among which those senders are looked for: a device that comes back acknowledges thousands at once.
pub const RECEIPT_MESSAGES_LOOKED_AT_MAX: usize = 256;
/// Most pinned messages in a conversation: a list that people still read.
pub const PINS_MAX: usize = 100;
/// Longest name of a person, organization, workspace, device or conversation, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Longest topic or description in characters.
pub const DESCRIPTION_CHARS_MAX: usize = 1_000;
/// Longest postal address in characters.
pub const ADDRESS_CHARS_MAX: usize = 500;
/// Longest e-mail address in bytes (RFC 5321 section 4.5.3.1.3, path without brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// Longest BCP 47 language tag in bytes (RFC 5646 section 4.4.1).
pub const LOCALE_BYTES_MAX: usize = 35;
/// Longest phone number: 15 digits and the plus sign (ITU-T E.164).
pub const PHONE_CHARS_MAX: usize = 16;
/// Largest encrypted identity private key in bytes: key, nonce, tag and derivation parameters with room to grow.
pub const IDENTITY_VAULT_BYTES_MAX: usize = 4_096;
/// Most members of an organization: its state is held in memory whole.
pub const ORGANIZATION_MEMBERS_MAX: usize = 100_000;
/// Most open invitations of an organization.
pub const ORGANIZATION_INVITATIONS_MAX: usize = 1_000;
/// Most people one invitation may let in.
pub const INVITATION_USES_MAX: u32 = 10_000;
/// Longest life of an invitation in seconds: 90 days.
pub const INVITATION_SECONDS_MAX: i64 = 90 * 86_400;
/// Most members of a workspace.
pub const WORKSPACE_MEMBERS_MAX: usize = 100_000;
/// How long an e-mail confirmation token holds, in seconds: two days.
pub const EMAIL_CONFIRMATION_SECONDS: i64 = 2 * 86_400;
/// How long a password reset token holds, in seconds: one hour.
pub const PASSWORD_RESET_SECONDS: i64 = 3_600;
/// For how long after the first mail with a token no other one goes to the same address, in seconds.
pub const TOKEN_MAIL_SECONDS_MIN: i64 = 60;
/// By how much that grows with each further mail: strangers may ask, and nobody's mailbox is to be flooded.
pub const TOKEN_MAIL_GROWTH: i64 = 8;
/// How far it grows, in seconds: six hours, so at most seven mails on the first day and four on each further one.
pub const TOKEN_MAIL_SECONDS_MAX: i64 = 6 * 3_600;
/// After so many seconds without a mail the next one counts as the first again: a day.
pub const TOKEN_MAIL_FORGET_SECONDS: i64 = 86_400;
/// How old a token becomes at most before another one takes its place, in seconds, however often it was asked for: a day.
pub const TOKEN_AGE_SECONDS_MAX: i64 = 86_400;
/// Longest that any e-mailed token holds when it is sent, in seconds: what a confirmation has, and the longest wait for another mail.
pub const TOKEN_SECONDS_MAX: i64 = EMAIL_CONFIRMATION_SECONDS + TOKEN_MAIL_SECONDS_MAX;
/// Longest that logins to an account that is guessed at are slowed down more after the last failure, in seconds: half a day.
pub const LOGIN_LOCKED_SECONDS_MAX: i64 = 43_200;
/// For how long the owner of an address is not told again that somebody registers it, in seconds: a day.
pub const REGISTRATION_REPEATED_SECONDS: i64 = 86_400;
/// For how long after a reset by mail another identity may take the place of the one before, in seconds: a day. Whoever comes
/// later asks for another reset.
pub const IDENTITY_ANEW_SECONDS: i64 = 86_400;
/// How far the time in a device's proof may be from the server's, in seconds: five minutes, as clocks of devices go.
pub const DEVICE_PROOF_SECONDS: i64 = 300;
/// For how long after an exchange the token before is answered with the current one to whoever presents it, in seconds: a
/// client whose answer was lost repeats at once.
pub const REFRESH_GRACE_SECONDS: i64 = 30;
/// How long a session lives without being refreshed, in seconds: 60 days.
pub const SESSION_IDLE_SECONDS: i64 = 60 * 86_400;

// Whoever is refused another mail has a token in the last one that still holds.
const _: () = assert!(TOKEN_MAIL_SECONDS_MIN < TOKEN_MAIL_SECONDS_MAX);
const _: () = assert!(TOKEN_MAIL_SECONDS_MAX < TOKEN_MAIL_FORGET_SECONDS);
const _: () = assert!(PASSWORD_RESET_SECONDS <= EMAIL_CONFIRMATION_SECONDS);
const _: () = assert!(GENERATION_WRAPS_MAX >= CONVERSATION_MEMBERS_MAX * 2);
