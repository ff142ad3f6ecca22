//! Tasks whose types do not tell what they run: those of the runtime, of some thousand lines of machine code each, are
//! compiled once and not for each.

use std::any::Any;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;

use crate::report::Failure;

/// What runs at once with others.
pub(super) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What may block, for a thread of the runtime where it may.
pub(super) type Job = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

pub(super) fn job<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Job {
    Box::new(move || Box::new(work()))
}

/// A job that was begun, such as that of a disk. Resolves to its result, or to a failure if it panicked; it ends whether
/// or not anyone waits.
#[derive(Debug)]
pub(crate) struct Blocking<T> {
    task: JoinHandle<Box<dyn Any + Send>>,
    result: PhantomData<fn() -> T>,
}

impl<T> Blocking<T> {
    /// `task` runs what [`job`] made of a function that returns `T`.
    pub(super) fn new(task: JoinHandle<Box<dyn Any + Send>>) -> Self {
        Self { task, result: PhantomData }
    }
}

impl<T: 'static> Future for Blocking<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let done = ready!(Pin::new(&mut self.task).poll(context));
        let result = done.ok().and_then(|result| result.downcast().ok());
        Poll::Ready(result.map(|result| *result).ok_or_else(Failure::of_worker))
    }
}
