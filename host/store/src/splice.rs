//! Writes what a plan says to staging.

use std::sync::Arc;

use packhouse_core::Plan;
use packhouse_model::error::Result;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::span::TARGET;
use packhouse_pack::pipeline::WriteError;
use packhouse_pack::splice::Splice;
use packhouse_pack::{WrittenPack, write_and_read_back};
use packhouse_run::{PackReader, RunPack};
use packhouse_vault::StagedFile;

use super::{Store, blocking, prove};

impl Store {
    /// Writes what a plan says to staging, and reads it back. `sources` reads `packs`: what they must
    /// download was prefetched.
    #[tracing::instrument(target = TARGET, name = "splice", skip_all)]
    pub(super) async fn splice(
        &self,
        staged: StagedFile,
        sources: PackReader,
        plan: &Arc<Plan>,
        packs: &Arc<Vec<RunPack>>,
        progress: &Progress,
    ) -> Result<(StagedFile, WrittenPack)> {
        let repo = sources.repo().clone();
        let (plan_here, progress, name) = (plan.clone(), progress.clone(), repo.to_string());
        let (mut staged, written) = blocking(move || {
            let mut splice = Splice::new(&plan_here.steps, sources);
            let total = plan_here.bytes;
            let mut tick = |done| progress.at(&name, Phase::Splice, done, total);
            let written = write_and_read_back(&staged.file, staged.path(), &mut splice, &mut tick);
            Ok((staged, written))
        })
        .await?;
        match written {
            Ok(written) => {
                self.vault.start_store(&mut staged);
                Ok((staged, written))
            }
            Err(WriteError::Failed(error)) => Err(error),
            Err(WriteError::Bad(bad)) => {
                Err(self.unproven(&repo, packs, prove::blame(plan, &bad)).await)
            }
        }
    }
}
