//! What it is given to send.

use super::Session;
use crate::report::Failure;
use crate::session::conversation::{Speech, Utterance};
use crate::session::errors;

impl Session {
    /// True if it accepts lines with `say`.
    pub fn listens(&self) -> bool {
        self.outgoing.get().is_some()
    }

    /// What it can be told to send; `None`: nothing.
    pub fn speech(&self) -> Option<Speech> {
        self.outgoing.get().map(|outgoing| outgoing.speech)
    }

    /// Gives a line to the session and waits until its service accepts or refuses it.
    pub async fn say(&self, text: String) -> Result<(), Failure> {
        self.utter(Utterance::Line(text)).await
    }

    /// Gives something to send to the session and waits until its service accepts or refuses it.
    pub async fn utter(&self, what: Utterance) -> Result<(), Failure> {
        let ended = || errors::session_ended(&self.label());
        let deaf = || errors::no_conversation(&self.label());
        if self.has_ended() {
            return Err(ended());
        }
        let outgoing = self.outgoing.get().ok_or_else(deaf)?;
        if outgoing.speech == Speech::Lines && !matches!(what, Utterance::Line(_)) {
            return Err(errors::only_lines(&self.label()));
        }
        let answer = outgoing.send(what).await.ok_or_else(deaf)?;
        tokio::select! {
            // An answer that came holds, even if the session has ended since.
            biased;
            taken = answer => taken.unwrap_or_else(|_| Err(deaf())),
            _ = self.ended() => Err(ended()),
        }
    }
}
