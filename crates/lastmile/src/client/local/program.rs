//! What the program says of itself when no server runs in it.

use serde_json::Value as Json;
use services::inquiry::{InquiryError, Login, Why};
use services::port::{Answering, ConfiguredValue, Health, Program};
use storage::store::Store;

use crate::app::App;
use crate::config::Setting;
use crate::serve::program;

/// A program that runs one command.
pub(super) struct CommandProgram {
    pub(super) app: App,
    pub(super) store: Store,
    pub(super) settings: Vec<Setting>,
}

impl Program for CommandProgram {
    fn why(&self, asked: Why) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(program::why(self.app.clone(), self.store.clone(), asked))
    }

    fn explain(&self, login: Login) -> Answering<'_, Result<Json, InquiryError>> {
        Box::pin(program::explain(
            self.app.clone(),
            self.store.clone(),
            login,
        ))
    }

    fn health(&self) -> Answering<'_, Health> {
        // The database is open, and nothing else belongs to a command.
        Box::pin(async {
            Health {
                is_ready: true,
                version: env!("CARGO_PKG_VERSION"),
                database: None,
                disk: None,
                node: None,
                worker: None,
            }
        })
    }

    fn settings(&self) -> Vec<ConfiguredValue> {
        program::configured(&self.settings)
    }
}
