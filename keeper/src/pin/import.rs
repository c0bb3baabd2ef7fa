//! A file that is to be kept: its password is asked for, which is the person's consent too, and opens it once.

use std::future::pending;
use std::sync::Arc;

use wafer_client::keeper::GrantRequest;

use super::ask::refused;
use super::secret::Secret;
use super::unlock::Asking;
use super::{dialog, turn};
use crate::card::{CardError, PinFormat};
use crate::failure::Failure;
use crate::prompt::place;
use crate::prompt::text::{Text, say};
use crate::token::registry::Registry;

/// A request to keep a file.
pub struct Import<'i> {
    /// Shows dialogs.
    pub asking: &'i Arc<Asking>,
    /// Where it will be a token.
    pub registry: &'i Registry,
    /// On whose behalf.
    pub grant: &'i Arc<GrantRequest>,
    /// How the file is called.
    pub name: String,
    /// The file.
    pub file: Arc<Vec<u8>>,
}

impl Import<'_> {
    /// Asks and keeps; asks again after a wrong password. Gives the token's id.
    pub async fn run(&self) -> Result<String, Failure> {
        crate::card::file::pfx::examine(&self.file)?;
        self.asking.imports.may_ask(self.grant)?;
        let mut complaint = None;
        loop {
            let entered = turn::show(self.asking, pending(), self.ask(complaint.take())).await;
            if matches!(entered, Err(Failure::Cancelled)) {
                self.asking.imports.be_quiet_for(&self.grant.requester.caller);
            }
            let password = Arc::new(entered?);
            let kept = self.registry.import(Arc::clone(&self.file), self.name.clone(), password).await;
            match kept {
                Err(CardError::PinIncorrect) => complaint = Some(dialog::incorrect(PinFormat::PASSWORD)),
                kept => return Ok(kept?),
            }
        }
    }

    async fn ask(&self, complaint: Option<String>) -> Result<Secret, Failure> {
        let screen = place::find(self.grant).await.ok_or(Failure::NoPrompter)?;
        let mut dialog = self.asking.prompter.open(&screen).await.map_err(refused)?;
        let description = dialog::import(self.grant, &self.name);
        let asked = async {
            dialog.prompt(&say(Text::PromptPassword, &[])).await?;
            dialog.pin(&description, complaint.as_deref()).await
        };
        let entered = asked.await.map_err(refused);
        dialog.close().await;
        entered
    }
}
