//! `packhouse repo create|list|show|set|delete|restore`.

use clap::{Args, Subcommand};
use packhouse_host::{RepoId, RepoName, RepoReport, RepoSettings, RestoreOptions, Visibility};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{duration, escaped, plural, short_id, size, time};
use crate::verbs::confirm::{confirm, require_yes};
use crate::verbs::repos::each_report;

/// `packhouse repo …`
#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Create a repo
    Create {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Make the repo readable only with a token for it
        #[arg(long)]
        private: bool,
    },
    /// Change settings of a repo: who may read it, and whether pushes with holes are accepted
    Set {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        #[command(flatten)]
        settings: Settings,
    },
    /// Delete a repo. Its name is free at once; `repo restore` can restore it until `prune` deletes
    /// its packs
    #[command(visible_alias = "rm")]
    Delete {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Skip the confirmation; required without a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Restore a deleted repo that `prune` has not removed yet
    Restore {
        /// Name of the deleted repo; if several had it, the last one deleted
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Restore the repo with this id, as `repo delete` printed it
        #[arg(long, value_name = "REPO_ID", value_parser = |id: &str| Ok::<_, std::convert::Infallible>(RepoId(id.to_owned())))]
        id: Option<RepoId>,
        /// Restore it under this name
        #[arg(long = "as", value_name = "OWNER/SLUG")]
        new_name: Option<RepoName>,
    },
    /// List all repos
    #[command(visible_alias = "ls")]
    List,
    /// Show one repo: packs, sizes, branches
    Show {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
}

/// What `repo set` changes.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Settings {
    /// Make the repo readable only with a token for it. URLs that S3 has signed stay valid until they
    /// expire
    #[arg(long, conflicts_with = "public")]
    private: bool,
    /// Make the repo readable for anyone
    #[arg(long)]
    public: bool,
    /// Accept pushes of clients whose history has holes: what they leave out counts as missing,
    /// until a later push or import brings it
    #[arg(long, conflicts_with = "refuse_shallow")]
    accept_shallow: bool,
    /// Refuse pushes of clients whose history has holes; this is the default
    #[arg(long)]
    refuse_shallow: bool,
}

impl From<Settings> for RepoSettings {
    fn from(set: Settings) -> RepoSettings {
        let either = |yes: bool, no: bool| (yes || no).then_some(yes);
        let visibility = |private| if private { Visibility::Private } else { Visibility::Public };
        RepoSettings {
            visibility: either(set.private, set.public).map(visibility),
            accepts_shallow: either(set.accept_shallow, set.refuse_shallow),
        }
    }
}

/// Creates, changes, lists, shows, deletes or restores repos.
pub(crate) async fn run(args: Repo, context: &Context) -> anyhow::Result<Exit> {
    if let Repo::Delete { repo, yes } = &args {
        require_yes(*yes, &repo.to_string())?;
    }
    let store = match args {
        Repo::Create { .. } => context.client_or_create().await?,
        Repo::List | Repo::Show { .. } => context.client_to_read().await?,
        _ => context.client().await?,
    };
    let output = &context.output;
    match args {
        Repo::Create { repo, private } => {
            let visibility = if private { Visibility::Private } else { Visibility::Public };
            let created = store.create_repo(&repo, visibility).await?;
            output.result(&created, || {
                let name = output.paint(Tone::Name, &created.repo);
                vec![
                    format!("Created {name} ({})", created.visibility.as_str()),
                    format!("Push packs with: packhouse push {} FILE…", created.repo),
                ]
            })?;
        }
        Repo::Set { repo, settings } => {
            let changed = store.set_repo(&repo, &settings.into()).await?;
            output.result(&changed, || show(&changed, output))?;
        }
        Repo::Delete { repo, yes } => {
            if !yes {
                let repo = store.repo(&repo).await?;
                let shown = format!(
                    "{} ({}, {}, {})",
                    repo.repo,
                    plural(repo.commits, "commit"),
                    plural(repo.packs, "pack"),
                    size(repo.bytes)
                );
                confirm(&repo.repo.to_string(), &shown)?;
            }
            let deleted = store.delete_repo(&repo).await?;
            output.result(&deleted, || {
                vec![
                    format!("Deleted {}", output.paint(Tone::Name, &deleted.repo)),
                    format!(
                        "{} ({}) will be deleted by packhouse prune after its grace period",
                        plural(deleted.packs_waiting, "pack"),
                        size(deleted.bytes_waiting)
                    ),
                    format!(
                        "Until then, restore it with: packhouse repo restore {} --id {}",
                        deleted.repo, deleted.repo_id
                    ),
                ]
            })?;
        }
        Repo::Restore { repo, id, new_name } => {
            let restored = store.restore_repo(&repo, &RestoreOptions { id, new_name }).await?;
            output.result(&restored, || {
                let mut lines =
                    vec![format!("Restored {}", output.paint(Tone::Name, &restored.repo))];
                lines.extend(show(&restored, output).into_iter().skip(1));
                lines
            })?;
        }
        Repo::List => {
            let mut table = list();
            each_report(&*store, |repo| match output.json() {
                true => output.result(&repo, Vec::new),
                false => {
                    table.row(line(&repo));
                    Ok(())
                }
            })
            .await?;
            if table.is_empty() && !output.json() {
                output.note(
                    "There are no repos yet; create one with: packhouse repo create OWNER/SLUG",
                );
            } else if !output.json() {
                output.table(&table, 0)?;
            }
        }
        Repo::Show { repo } => {
            let repo = store.repo(&repo).await?;
            output.result(&repo, || show(&repo, output))?;
        }
    }
    Ok(Exit::Done)
}

fn list() -> Table {
    use Side::{Left, Right};
    Table::new(&[
        ("REPO", Left),
        ("PACKS", Right),
        ("SIZE", Right),
        ("COMMITS", Right),
        ("OBJECTS", Right),
        ("LAST GC", Left),
        ("", Left),
    ])
}

fn line(repo: &RepoReport) -> [Cell; 7] {
    [
        Cell::new(Tone::Name, repo.repo.to_string()),
        Cell::new(
            if repo.packs > 1 { Tone::Warn } else { Tone::Plain },
            crate::text::count(repo.packs),
        ),
        size(repo.bytes).into(),
        crate::text::count(repo.commits).into(),
        crate::text::count(repo.objects).into(),
        match &repo.last_gc {
            None => Cell::new(Tone::Dim, "never"),
            Some(gc) if gc.has_failed() => Cell::new(
                if repo.gc_failed() { Tone::Bad } else { Tone::Dim },
                format!("{} {}", failed(repo), time(gc.finished_at)),
            ),
            Some(gc) => time(gc.finished_at).into(),
        },
        match repo.damaged.is_empty() {
            false => Cell::new(Tone::Bad, "damaged"),
            true => Cell::new(
                Tone::Dim,
                if repo.visibility == Visibility::Private { "private" } else { "" },
            ),
        },
    ]
}

/// What a consolidation is called that failed.
fn failed(repo: &RepoReport) -> &'static str {
    if repo.gc_failed() { "failed" } else { "failed, repaired since" }
}

fn show(repo: &RepoReport, output: &Output) -> Vec<String> {
    let label = |text: &str| output.paint(Tone::Dim, format!("{text:<10}"));
    let waiting = repo.stored_bytes.saturating_sub(repo.bytes);
    let mut lines = vec![
        output.paint(Tone::Name, &repo.repo),
        format!(
            "{}{}{}, created {}, id {}",
            label("repo"),
            repo.visibility.as_str(),
            if repo.accepts_shallow { ", accepts pushes with holes" } else { "" },
            time(repo.created_at),
            repo.repo_id
        ),
        format!(
            "{}{}, {}, {}, {}",
            label("contents"),
            plural(repo.commits, "commit"),
            plural(repo.snapshots, "snapshot"),
            plural(repo.objects, "object"),
            plural(repo.tags, "tag"),
        ),
        format!(
            "{}{}, {}{}",
            label("packs"),
            plural(repo.packs, "pack"),
            size(repo.bytes),
            if waiting > 0 {
                format!(", and {} pending deletion", size(waiting))
            } else {
                String::new()
            },
        ),
    ];
    if let Some(oldest) = repo.oldest_check {
        lines.push(format!("{}read or stored since {}", label("checked"), time(oldest)));
    }
    for (number, damage) in repo.damaged.iter().enumerate() {
        let what =
            damage.mpack_key.map_or_else(|| "the index".to_owned(), |key| format!("pack {key}"));
        let since = output.paint(
            Tone::Dim,
            format!("since {}, found by {}", time(damage.since), escaped(&damage.found_by)),
        );
        lines.push(format!(
            "{}{} {}  {since}",
            label(if number == 0 { "damaged" } else { "" }),
            output.paint(Tone::Bad, what),
            escaped(&damage.detail)
        ));
    }
    lines.extend(repo.pack_keys.iter().map(|key| format!("{}{key}", label(""))));
    for (number, (branch, head)) in repo.branch_heads.iter().enumerate() {
        let default = if *branch == repo.default_branch {
            output.paint(Tone::Dim, "  default")
        } else {
            String::new()
        };
        lines.push(format!(
            "{}{} at {head}{default}",
            label(if number == 0 { "branches" } else { "" }),
            escaped(branch)
        ));
    }
    if let Some(gc) = &repo.last_gc {
        let what = match &gc.error {
            Some(error) => output.paint(
                if repo.gc_failed() { Tone::Bad } else { Tone::Dim },
                format!("{}: {}", failed(repo), escaped(error)),
            ),
            None => {
                format!("{}, {} → {}", gc.outcome, gc.packs_before, plural(gc.packs_after, "pack"))
            }
        };
        let component = output.paint(Tone::Dim, format!("component {}", short_id(&gc.component)));
        lines.push(format!(
            "{}{what} in {}, {}  {component}",
            label("last gc"),
            duration(gc.elapsed_ms),
            time(gc.finished_at)
        ));
    }
    lines
}
