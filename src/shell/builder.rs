//! Makes a [`Shell`] from what surrounds it. Whatever is not given has a default that fits a shell by itself.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::run::statements::Statements;
use super::{Settings, Shell, Terminal, catalogue};
use crate::base::Secrets;
use crate::language::Scope;
use crate::service::contract::idle::IdleConnections;
use crate::service::{Context, Kept, PROVIDERS, StandardStreams};
use crate::session::Registry;

/// A shell that is being made.
pub struct ShellBuilder {
    registry: Arc<Registry>,
    terminal: Arc<dyn Terminal>,
    settings: Settings,
    arguments: Vec<String>,
    secrets: Secrets,
    interrupt: CancellationToken,
    suspend: Arc<Notify>,
    streams: StandardStreams,
}

impl ShellBuilder {
    pub(super) fn new(registry: Arc<Registry>, terminal: Arc<dyn Terminal>) -> Self {
        Self {
            registry,
            terminal,
            settings: Settings::default(),
            arguments: Vec::new(),
            secrets: Secrets::default(),
            interrupt: CancellationToken::new(),
            suspend: Arc::default(),
            streams: StandardStreams::default(),
        }
    }

    /// How the shell behaves.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// `$1`, `$2` … and `$args`.
    #[must_use]
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.arguments = arguments;
        self
    }

    /// Shared with the writers of the output, which show these texts as `***`.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Cancelled to end the first command in the foreground.
    #[must_use]
    pub fn interrupt(mut self, interrupt: CancellationToken) -> Self {
        self.interrupt = interrupt;
        self
    }

    /// Notified by Ctrl-Z.
    #[must_use]
    pub fn suspend(mut self, suspend: Arc<Notify>) -> Self {
        self.suspend = suspend;
        self
    }

    /// The standard streams that commands may use directly; none by default.
    #[must_use]
    pub fn streams(mut self, streams: StandardStreams) -> Self {
        self.streams = streams;
        self
    }

    /// What commands get.
    fn context(&self) -> Context {
        Context {
            seed: self.settings.seed,
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            registry: self.registry.clone(),
            providers: PROVIDERS,
            idle: Arc::new(IdleConnections::default()),
            kept: Kept::default(),
            no_shell: self.settings.no_shell,
            streams: self.streams.clone(),
            secrets: self.secrets.clone(),
        }
    }

    /// The shell, in the current folder of the process.
    pub fn build(self) -> Shell {
        let context = self.context();
        let Self { registry, terminal, settings, arguments, secrets, interrupt, suspend, streams: _ } = self;
        Shell {
            registry,
            terminal,
            vocabulary: catalogue::vocabulary(settings.interactive),
            scope: Scope::builtin(arguments.len()),
            settings,
            secrets,
            interrupt,
            suspend,
            attach: None,
            began: None,
            recorder: None,
            has_bug: false,
            history: Vec::new(),
            ran: Statements::default(),
            context,
            variables: HashMap::new(),
            last: None,
            used: HashMap::new(),
            arguments,
            previous_directory: None,
            temporary: Arc::new(OnceLock::new()),
            deferred: Vec::new(),
            running: None,
            handler_failures: Arc::default(),
            has_run_commands: false,
            ends: false,
            in_background: Vec::new(),
            jobs: Vec::new(),
            deadline: None,
            patterns: HashMap::new(),
            suggested: HashSet::new(),
            asked: 0,
        }
    }
}
