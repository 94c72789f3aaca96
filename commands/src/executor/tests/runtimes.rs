//! Commands run on the executor's runtime, whatever becomes of the one that they come from: HTTP workers have one each.

use std::sync::mpsc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::world::*;

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn own() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn workers() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Gives the command and waits for nothing.
async fn give(asked: impl Future) {
    let _ = Box::pin(asked).as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn a_command_outlives_the_runtime_that_it_came_from() {
    let (own, worker) = (own(), workers());
    let (world, executor) = own.block_on(World::founded());
    let request = world.request(OWNER);
    worker.block_on(give(execute(&executor, rename(), &request)));
    drop(worker);
    own.block_on(executor.idle());
    assert_eq!(own.block_on(world.events()).len(), 3);
    assert!(own.block_on(execute(&executor, rename(), &request)).unwrap().replayed);
}

#[test]
fn commands_go_on_while_the_thread_that_one_came_from_is_busy() {
    let own = own();
    let (world, executor) = own.block_on(World::founded());
    let (given, is_given) = mpsc::channel();
    let (over, is_over) = mpsc::channel::<()>();
    let busy = std::thread::spawn({
        let (executor, request) = (executor.clone(), world.request(OWNER));
        move || {
            workers().block_on(async {
                give(execute(&executor, rename(), &request)).await;
                given.send(()).unwrap();
                is_over.recv().unwrap();
            });
        }
    });
    is_given.recv().unwrap();
    let request = world.request(OWNER);
    let answer =
        own.block_on(async { tokio::time::timeout(PATIENCE, execute(&executor, rename(), &request)).await });
    over.send(()).unwrap();
    busy.join().unwrap();
    assert_eq!(answer.expect("an answer").unwrap().revision.get(), 3);
}
