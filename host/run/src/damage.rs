//! Errors for packs that are missing or damaged.

use packhouse_model::error::{DamageError, Error};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_vault::Vault;

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
