//! Errors for packs that are missing or damaged.

use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::examine;
use packhouse_vault::{StoredPack, Vault};

/// The error for a pack of a repo that is not in storage.
pub fn missing_pack(vault: &Vault, repo: &RepoName, key: &MpackKey) -> Error {
    Error::Damage(DamageError::MissingPack {
        key: *key,
        repo: repo.clone(),
        place: vault.place_of(key),
    })
}

/// The error for a pack of a repo whose bytes have changed; `detail` says how.
pub fn damaged_pack(vault: &Vault, repo: &RepoName, key: &MpackKey, detail: String) -> Error {
    Error::Damage(DamageError::DamagedPack {
        key: *key,
        repo: repo.clone(),
        place: vault.place_of(key),
        detail,
    })
}

/// The error for a stored pack of a repo whose SHA-256, `found`, is not its key: it names the first
/// record that has changed.
///
/// # Errors
/// When the pack can't be read.
pub fn changed_pack(
    vault: &Vault,
    repo: &RepoName,
    key: &MpackKey,
    (stored, found): (&StoredPack, MpackKey),
) -> Result<Error> {
    let examined = examine(&stored.file, &stored.path, |_| Ok(()))?;
    let differs = || format!("hash mismatch: its SHA-256 is {found}");
    let detail = examined.sound(key).err().unwrap_or_else(differs);
    Ok(damaged_pack(vault, repo, key, detail))
}
