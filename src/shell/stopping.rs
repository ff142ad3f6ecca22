//! Stops sessions in an order in which what they say at their end arrives.

use std::sync::Arc;
use std::time::Duration;

use super::catalogue;
use crate::language::Capability;
use crate::session::Session;

/// How long those whose connections run through a link may take to end before the link does.
const PASSING_LIMIT: Duration = Duration::from_secs(1);

/// Stops these sessions; links behind the others, whose goodbyes they pass. Whoever never hears one has to wait until it
/// may believe that the peer is gone.
pub(super) async fn stop(sessions: &[Arc<Session>]) {
    let passes = |session: &&Arc<Session>| catalogue::can(session.verb, Capability::Pass);
    let (links, ends): (Vec<_>, Vec<_>) = sessions.iter().partition(passes);
    ends.iter().for_each(|session| session.cancel.cancel());
    if !links.is_empty() {
        let ended = async {
            for session in ends {
                session.ended().await;
            }
        };
        drop(tokio::time::timeout(PASSING_LIMIT, ended).await);
    }
    links.iter().for_each(|session| session.cancel.cancel());
}
