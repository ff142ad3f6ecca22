//! The write target of received blocks: the groups of a file.

use crate::net::BlockSink;
use crate::report::Failure;
use crate::service::contract::errors::more_than_declared;
use crate::service::ftp::budgets::BLOCKS;
use crate::service::ftp::errors;
use crate::service::ftp::storage::assembly::{Assembly, AssemblyError, Group};

/// The groups that are being assembled, and those that blocks have completed.
pub(crate) struct WriteTarget {
    pub(crate) assembly: Assembly,
    pub(crate) whole: Vec<Group>,
}

impl BlockSink for WriteTarget {
    fn room(&mut self, offset: u64, length: usize) -> Result<&mut [u8], Failure> {
        self.assembly.room(offset, length).map_err(integrity)
    }

    fn landed(&mut self, offset: u64, length: usize) -> Result<(), Failure> {
        self.assembly.landed(offset, length, &mut self.whole).map_err(integrity)
    }
}

pub(crate) fn integrity(trouble: AssemblyError) -> Failure {
    match trouble {
        AssemblyError::BeyondEnd { offset } => more_than_declared("the peer", offset),
        AssemblyError::Overlap { offset } => errors::bytes_sent_twice(offset),
        AssemblyError::TooScattered => errors::blocks_too_scattered(),
        AssemblyError::TooMuch => errors::too_many_incomplete_groups(BLOCKS.limit()),
    }
}
