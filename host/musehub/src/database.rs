//! The database of a MuseHub, and its repos.

use std::fmt;

use packhouse_model::error::{Error, HubError, Result};
use packhouse_model::names::{RepoName, Visibility};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

use crate::objects::HubObjects;
use crate::rows::View;

/// Where a MuseHub is.
#[derive(Clone)]
pub struct HubOptions {
    /// The URL of its Postgres database. It may hold a password.
    pub database: String,
    /// Where the bytes of its objects are: a folder, or `s3://BUCKET/PREFIX`.
    pub objects: String,
}

impl std::fmt::Debug for HubOptions {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubOptions").field("objects", &self.objects).finish_non_exhaustive()
    }
}

/// A MuseHub. It is only read.
#[derive(Debug)]
pub struct Hub {
    place: String,
    options: PgConnectOptions,
    pub(crate) objects: HubObjects,
}

/// A repo of a MuseHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRepo {
    /// Its ID in the database.
    pub id: String,
    /// The first part of its name.
    pub owner: String,
    /// The second.
    pub slug: String,
    /// The user that owns it.
    pub owner_user_id: String,
    /// Who may read it.
    pub visibility: Visibility,
    /// The branch that clones check out.
    pub default_branch: String,
}

/// `OWNER/SLUG`.
impl fmt::Display for HubRepo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.slug)
    }
}

impl Hub {
    /// Connects to a MuseHub.
    ///
    /// # Errors
    /// [`Error::Usage`] for a malformed URL, or for a folder that does not exist; [`Error::Hub`] if
    /// the database can't be reached, or is that of another program.
    pub async fn open(options: &HubOptions) -> Result<Hub> {
        let objects = HubObjects::open(&options.objects)?;
        let options: PgConnectOptions = options.database.parse().map_err(|e: sqlx::Error| {
            // The URL may contain a password: it is not repeated.
            Error::Usage(format!(
                "--hub-database: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE ({e})"
            ))
        })?;
        let options = options.application_name("packhouse import");
        let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
        let database = options.get_database().unwrap_or(user);
        let place = format!("postgres://{user}@{host}:{port}/{database}");
        let hub = Hub { place, options, objects };
        hub.is_one().await?;
        Ok(hub)
    }

    /// The database, without a password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Its repos by name, without deleted ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn repos(&self) -> Result<Vec<HubRepo>> {
        let mut connection = self.connect().await?;
        let rows: Vec<(String, String, String, String, String, String)> = sqlx::query_as(
            "SELECT repo_id, owner, slug, owner_user_id, visibility, default_branch
             FROM musehub_repos WHERE deleted_at IS NULL ORDER BY owner, slug",
        )
        .fetch_all(&mut connection)
        .await
        .map_err(|error| self.failed("listing its repos", &error))?;
        let repo = |(id, owner, slug, owner_user_id, visibility, default_branch): (
            String,
            String,
            String,
            String,
            String,
            String,
        )| {
            let visibility = match visibility.as_str() {
                "public" => Visibility::Public,
                _ => Visibility::Private,
            };
            HubRepo { id, owner, slug, owner_user_id, visibility, default_branch }
        };
        Ok(rows.into_iter().map(repo).collect())
    }

    /// Those of its repos with these names.
    ///
    /// # Errors
    /// [`HubError::UnknownRepo`]; when the database fails.
    pub async fn named(&self, names: &[RepoName]) -> Result<Vec<HubRepo>> {
        let repos = self.repos().await?;
        let named = names.iter().map(|name| {
            let found = repos.iter().find(|repo| {
                (repo.owner.as_str(), repo.slug.as_str()) == (name.owner(), name.slug())
            });
            let unknown =
                || HubError::UnknownRepo { place: self.place.clone(), repo: name.to_string() };
            Ok(found.ok_or_else(unknown)?.clone())
        });
        named.collect()
    }

    /// One state of what it has, as long as this lives.
    pub(crate) async fn view(&self) -> Result<View<'_>> {
        let mut connection = self.connect().await?;
        connection
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(|error| self.failed("beginning to read", &error))?;
        Ok(View { hub: self, connection })
    }

    async fn is_one(&self) -> Result<()> {
        let mut connection = self.connect().await?;
        let found: Vec<(bool,)> = sqlx::query_as("SELECT to_regclass('musehub_repos') IS NOT NULL")
            .fetch_all(&mut connection)
            .await
            .map_err(|error| self.failed("opening it", &error))?;
        match found.first() {
            Some((true,)) => Ok(()),
            _ => Err(HubError::NotAHub { place: self.place.clone() }.into()),
        }
    }

    async fn connect(&self) -> Result<PgConnection> {
        self.options.connect().await.map_err(|error| self.failed("connecting", &error))
    }

    pub(crate) fn failed(&self, doing: &'static str, error: &sqlx::Error) -> Error {
        let reason = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            error => error.to_string(),
        };
        HubError::Database { place: self.place.clone(), doing, reason }.into()
    }
}
