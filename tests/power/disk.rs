//! A disk of the tests' own: a file system (FUSE) that keeps everything in memory, remembers every change and every sync in
//! order, and fails on order. What a real disk would hold after a power cut can be made from what it remembers.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tempfile::TempDir;

/// Nothing changes but through the kernel, so what it knows stays true.
const FOR_EVER: Duration = Duration::from_hours(1);
const GENERATION: Generation = Generation(0);
const NO_HANDLE: FileHandle = FileHandle(0);
const BLOCK_BYTES: u32 = 4_096;
/// The log's data file.
pub const LOG: &str = "log/db";

/// A change to the disk, or a promise that changes are durable.
#[derive(Clone, Debug)]
pub enum Step {
    /// A new file or directory gets a name.
    Make { parent: u64, name: OsString, node: u64, is_directory: bool },
    /// A name goes to another place, over whatever had it.
    Rename { from: (u64, OsString), to: (u64, OsString) },
    /// A name goes away.
    Remove { parent: u64, name: OsString },
    /// Bytes are written.
    Write { node: u64, offset: usize, bytes: Arc<[u8]> },
    /// A file is cut, or grows by zeros.
    Resize { node: u64, bytes: usize },
    /// What was done to a file's bytes, or to a directory's names, is durable from here on.
    Sync { node: u64 },
    /// Somebody was told: what was told must survive from here on.
    Told(usize),
}

/// A file or a directory.
#[derive(Clone, Debug)]
pub enum Node {
    File(Vec<u8>),
    Directory(BTreeMap<OsString, u64>),
}

/// Files and directories by number; the root is 1.
#[derive(Clone, Debug)]
pub struct Tree {
    pub nodes: BTreeMap<u64, Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: BTreeMap::from([(1, Node::Directory(BTreeMap::new()))]) }
    }
}

impl Tree {
    /// The disk after these steps.
    pub fn of(steps: &[Step]) -> Self {
        let mut tree = Self::default();
        for step in steps {
            tree.apply(step);
        }
        tree
    }

    /// Makes a file or directory, without a name.
    pub fn add(&mut self, node: u64, is_directory: bool) {
        let new = if is_directory { Node::Directory(BTreeMap::new()) } else { Node::File(Vec::new()) };
        self.nodes.entry(node).or_insert(new);
    }

    /// Does a step.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Make { parent, name, node, is_directory } => {
                self.add(*node, *is_directory);
                self.names(*parent).insert(name.clone(), *node);
            }
            Step::Rename { from: (parent, name), to: (new_parent, new_name) } => {
                if let Some(node) = self.names(*parent).remove(name) {
                    self.names(*new_parent).insert(new_name.clone(), node);
                }
            }
            Step::Remove { parent, name } => drop(self.names(*parent).remove(name)),
            Step::Write { node, offset, bytes } => self.write(*node, *offset, bytes),
            Step::Resize { node, bytes } => {
                if let Some(Node::File(content)) = self.nodes.get_mut(node) {
                    content.resize(*bytes, 0);
                }
            }
            Step::Sync { .. } | Step::Told(_) => {}
        }
    }

    /// Writes bytes into a file.
    pub fn write(&mut self, node: u64, offset: usize, bytes: &[u8]) {
        let Some(Node::File(content)) = self.nodes.get_mut(&node) else { return };
        let end = offset + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
    }

    fn names(&mut self, directory: u64) -> &mut BTreeMap<OsString, u64> {
        match self.nodes.get_mut(&directory) {
            Some(Node::Directory(names)) => names,
            other => panic!("node {directory} is no directory: {other:?}"),
        }
    }

    fn child(&self, parent: u64, name: &OsStr) -> Option<u64> {
        match self.nodes.get(&parent) {
            Some(Node::Directory(names)) => names.get(name).copied(),
            _ => None,
        }
    }

    /// Writes what a directory holds into a real one.
    pub fn write_to(&self, directory: u64, path: &Path) {
        std::fs::create_dir_all(path).unwrap();
        let Some(Node::Directory(names)) = self.nodes.get(&directory) else { return };
        for (name, node) in names {
            match self.nodes.get(node) {
                Some(Node::Directory(_)) => self.write_to(*node, &path.join(name)),
                Some(Node::File(content)) => std::fs::write(path.join(name), content).unwrap(),
                None => {}
            }
        }
    }

    /// The directory or file at a path below the root.
    pub fn at(&self, path: &Path) -> Option<u64> {
        path.iter().try_fold(1, |node, name| self.child(node, name))
    }
}

/// A call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Write,
    Sync,
}

/// A failure on order: from the call after so many more of its kind on files below a path that contains `within`.
#[derive(Clone, Debug)]
pub struct Failure {
    pub call: Call,
    pub within: &'static str,
    pub after: usize,
    pub error: Errno,
    /// Whether all later calls of the kind fail as well.
    pub stays: bool,
}

#[derive(Default)]
struct Store {
    tree: Tree,
    steps: Vec<Step>,
    last: u64,
    // Where each node was made; enough to tell files apart.
    paths: BTreeMap<u64, String>,
    capacity: Option<usize>,
    failure: Option<Failure>,
    failed: usize,
    log_failed: bool,
    log_synced_after: usize,
}

impl Store {
    fn step(&mut self, step: Step) {
        self.tree.apply(&step);
        self.steps.push(step);
    }

    fn used(&self) -> usize {
        let sizes = self.tree.nodes.values().map(|node| match node {
            Node::File(content) => content.len(),
            Node::Directory(_) => 0,
        });
        sizes.sum()
    }

    fn fails(&mut self, call: Call, node: u64) -> Option<Errno> {
        let path = self.paths.get(&node).cloned().unwrap_or_default();
        let failure = self.failure.as_mut().filter(|failure| failure.call == call && path.contains(failure.within))?;
        if failure.after > 0 {
            failure.after -= 1;
            return None;
        }
        let (error, stays) = (failure.error, failure.stays);
        if !stays {
            self.failure = None;
        }
        Some(self.failed(node, error))
    }

    fn failed(&mut self, node: u64, error: Errno) -> Errno {
        self.failed += 1;
        self.log_failed |= self.is_log(node);
        error
    }

    fn is_log(&self, node: u64) -> bool {
        self.paths.get(&node).is_some_and(|path| path.ends_with(LOG))
    }

    fn make(&mut self, parent: u64, name: &OsStr, is_directory: bool) -> FileAttr {
        self.last = self.last.max(1) + 1;
        let node = self.last;
        let path = format!("{}/{}", self.paths.get(&parent).map_or("", String::as_str), name.to_string_lossy());
        self.paths.insert(node, path);
        self.step(Step::Make { parent, name: name.to_owned(), node, is_directory });
        self.attributes(node).expect("it was made a moment ago")
    }

    fn attributes(&self, node: u64) -> Option<FileAttr> {
        let (kind, perm, size) = match self.tree.nodes.get(&node)? {
            Node::File(content) => (FileType::RegularFile, 0o600, content.len() as u64),
            Node::Directory(_) => (FileType::Directory, 0o700, 0),
        };
        Some(FileAttr {
            ino: INodeNo(node),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        })
    }
}

/// The disk, mounted for as long as it lives.
pub struct Disk {
    store: Arc<Mutex<Store>>,
    // Unmounted before its directory goes away.
    session: Option<BackgroundSession>,
    mount: TempDir,
}

impl Disk {
    /// Mounts an empty disk; `None` where this machine lets nobody mount one.
    pub fn mount() -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let store: Arc<Mutex<Store>> = Arc::default();
        let mounted = fuser::spawn_mount(Mounted(Arc::clone(&store)), mount.path(), &Config::default());
        match mounted {
            Ok(session) => Some(Self { store, session: Some(session), mount }),
            Err(error) => {
                println!("SKIPPED: no file system can be mounted here: {error}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap()
    }

    /// Somebody was told something, which gets this number.
    pub fn told(&self, number: usize) {
        self.store().steps.push(Step::Told(number));
    }

    /// All that was done so far.
    pub fn steps(&self) -> Vec<Step> {
        self.store().steps.clone()
    }

    /// Has calls fail; `None` ends it.
    pub fn fail(&self, failure: Option<Failure>) {
        let mut store = self.store();
        store.failure = failure;
        store.failed = 0;
        store.log_failed = false;
        store.log_synced_after = 0;
    }

    /// How many calls failed, and how often the log was synced after one of them was on it.
    pub fn failed(&self) -> (usize, usize) {
        let store = self.store();
        (store.failed, store.log_synced_after)
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.store().used()
    }

    /// Holds so many bytes; `None` for any number.
    pub fn holds(&self, capacity: Option<usize>) {
        self.store().capacity = capacity;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            // A process that still has a file open keeps it: the test that left it there has failed already.
            drop(session.umount_and_join());
        }
    }
}

struct Mounted(Arc<Mutex<Store>>);

impl Mounted {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap()
    }
}

impl Filesystem for Mounted {
    fn init(&mut self, _: &Request, _: &mut KernelConfig) -> std::io::Result<()> {
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let store = self.store();
        match store.tree.child(parent.0, name).and_then(|node| store.attributes(node)) {
            Some(attributes) => reply.entry(&FOR_EVER, &attributes, GENERATION),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.store().attributes(node.0) {
            Some(attributes) => reply.attr(&FOR_EVER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut store = self.store();
        if let Some(size) = size {
            store.step(Step::Resize { node: node.0, bytes: usize::try_from(size).unwrap() });
        }
        match store.attributes(node.0) {
            Some(attributes) => reply.attr(&FOR_EVER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let attributes = self.store().make(parent.0, name, true);
        reply.entry(&FOR_EVER, &attributes, GENERATION);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let attributes = self.store().make(parent.0, name, false);
        reply.created(&FOR_EVER, &attributes, GENERATION, NO_HANDLE, FopenFlags::empty());
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.store().step(Step::Remove { parent: parent.0, name: name.to_owned() });
        reply.ok();
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut store = self.store();
        let node = store.tree.child(parent.0, name).and_then(|node| store.tree.nodes.get(&node));
        if matches!(node, Some(Node::Directory(names)) if !names.is_empty()) {
            return reply.error(Errno::ENOTEMPTY);
        }
        store.step(Step::Remove { parent: parent.0, name: name.to_owned() });
        reply.ok();
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let (from, to) = ((parent.0, name.to_owned()), (new_parent.0, new_name.to_owned()));
        self.store().step(Step::Rename { from, to });
        reply.ok();
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(NO_HANDLE, FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let store = self.store();
        let Some(Node::File(content)) = store.tree.nodes.get(&node.0) else { return reply.error(Errno::EISDIR) };
        let start = usize::try_from(offset).unwrap().min(content.len());
        let end = content.len().min(start + size as usize);
        reply.data(&content[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut store = self.store();
        if let Some(error) = store.fails(Call::Write, node.0) {
            return reply.error(error);
        }
        let offset = usize::try_from(offset).unwrap();
        let Some(Node::File(content)) = store.tree.nodes.get(&node.0) else { return reply.error(Errno::EISDIR) };
        let grows_by = (offset + data.len()).saturating_sub(content.len());
        if store.capacity.is_some_and(|capacity| store.used() + grows_by > capacity && grows_by > 0) {
            return reply.error(store.failed(node.0, Errno::ENOSPC));
        }
        store.step(Step::Write { node: node.0, offset, bytes: data.into() });
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut store = self.store();
        if let Some(error) = store.fails(Call::Sync, node.0) {
            return reply.error(error);
        }
        if store.log_failed && store.is_log(node.0) {
            store.log_synced_after += 1;
        }
        store.step(Step::Sync { node: node.0 });
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.store().step(Step::Sync { node: node.0 });
        reply.ok();
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(&self, _: &Request, node: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let store = self.store();
        let Some(Node::Directory(names)) = store.tree.nodes.get(&node.0) else { return reply.error(Errno::ENOTDIR) };
        let dots = [(OsStr::new("."), node.0), (OsStr::new(".."), 1)];
        let named = names.iter().map(|(name, child)| (name.as_os_str(), *child));
        for (at, (name, child)) in (1..).zip(dots.into_iter().chain(named)).skip(usize::try_from(offset).unwrap()) {
            let is_directory = matches!(store.tree.nodes.get(&child), Some(Node::Directory(_)));
            let kind = if is_directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(child), at, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let store = self.store();
        let blocks = |bytes: usize| bytes as u64 / u64::from(BLOCK_BYTES);
        let capacity = store.capacity.unwrap_or(1 << 40);
        let free = capacity.saturating_sub(store.used());
        reply.statfs(blocks(capacity), blocks(free), blocks(free), 1 << 20, 1 << 20, BLOCK_BYTES, 255, BLOCK_BYTES);
    }
}
