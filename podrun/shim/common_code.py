"""The functions that every shim runs until its containers do, by module: see density.py.

Written by `sudo .venv/bin/python -m bench.common_code`. A name that is missing costs a page, and no more.
"""

from __future__ import annotations

COMMON_CODE = {
    "cgroups.bpf": ("_bpf attach_device_program load_device_program"),
    "cgroups.cpuset": ("make_v1"),
    "cgroups.devices": (
        "__create_fn__.<locals>.__eq__ __create_fn__.<locals>.__hash__ _allowing "
        "_allowing.<locals>.<listcomp> _instruction program"
    ),
    "cgroups.files": ("read write"),
    "cgroups.group": (
        "Group.__post_init__ Group._make_v1 Group._make_v2 Group._make_v2.<locals>.<genexpr> Group._set "
        "Group._set_coupled Group._v1_directories Group._v1_directories.<locals>.<genexpr> Group._v1_points "
        "Group.allow_devices Group.apply Group.create Group.create_everywhere Group.directory Group.exists "
        "Group.open_for_clone Group.parent Group.v1_task_files Group.v1_task_files.<locals>.<genexpr> "
        "__create_fn__.<locals>.__init__ _device_program"
    ),
    "cgroups.hierarchies": ("Hierarchies.v1_points Hierarchies.v1_points.<locals>.<genexpr>"),
    "cgroups.knobs": ("__create_fn__.<locals>.__init__ _v1_number v1 v2"),
    "cgroups.limits": ("__create_fn__.<locals>.__init__"),
    "contextlib": (
        "ExitStack.__enter__ ExitStack.__exit__ _BaseExitStack.__init__ _BaseExitStack._create_cb_wrapper "
        "_BaseExitStack._create_cb_wrapper.<locals>._exit_wrapper _BaseExitStack._create_exit_wrapper "
        "_BaseExitStack._push_cm_exit _BaseExitStack._push_exit_callback _BaseExitStack.callback "
        "_BaseExitStack.enter_context _BaseExitStack.pop_all _GeneratorContextManager.__enter__ "
        "_GeneratorContextManager.__exit__ _GeneratorContextManagerBase.__init__ "
        "contextmanager.<locals>.helper suppress.__enter__ suppress.__exit__ suppress.__init__"
    ),
    "genericpath": ("exists isdir"),
    "json": ("detect_encoding dumps loads"),
    "json.decoder": ("JSONDecoder.decode JSONDecoder.raw_decode"),
    "json.encoder": ("JSONEncoder.encode JSONEncoder.iterencode"),
    "namedtuple_Cloned": ("<lambda>"),
    "namedtuple_Stdio": ("<lambda>"),
    "os": ("_fscodec.<locals>.fsencode makedirs"),
    "podrun.container.newborn": ("__create_fn__.<locals>.__init__ _children_born_in bear read_outcome"),
    "podrun.container.placement": ("new_group"),
    "podrun.container.plan": ("__create_fn__.<locals>.__init__"),
    "podrun.container.pod_handles": ("__create_fn__.<locals>.__init__ _attach _make mount_pod_shm"),
    "podrun.container.sandbox": ("__create_fn__.<locals>.__init__ _kinds spawn_pause"),
    "podrun.container.start": ("__create_fn__.<locals>.__init__ spawn"),
    "podrun.linux.accept4": ("accept_stream"),
    "podrun.linux.clone3": ("clone3"),
    "podrun.linux.close_range": ("close_all_but"),
    "podrun.linux.mount": ("_check_context mount move_mount new_mount"),
    "podrun.linux.namespaces": ("inode unshare"),
    "podrun.linux.pidfd": ("__create_fn__.<locals>.__init__"),
    "podrun.linux.signal_mask": ("block_all block_none restore"),
    "podrun.linux.syscall": ("check"),
    "podrun.shim.connection": (
        "Connection.__init__ Connection._flush Connection._ready Connection._receive Connection._split "
        "Connection._take Connection.send _close_all _rights"
    ),
    "podrun.shim.execs": ("Execs.__init__"),
    "podrun.shim.facts": ("__create_fn__.<locals>.__init__"),
    "podrun.shim.fork_server": (
        "ForkServer._answer ForkServer._fork ForkServer.serve _be_shim _leave_fork_server _listen _take_lock"
    ),
    "podrun.shim.journal": (
        "Journal.__init__ Journal._allocate Journal._close_begun Journal._load "
        "Journal._load.<locals>.<dictcomp> Journal._open Journal._write Journal.acknowledge Journal.after "
        "Journal.after.<locals>.<listcomp> Journal.append Journal.begin Journal.close Journal.has_waiting "
        "Journal.last Journal.unfinished Journal.unfinished.<locals>.<lambda> __create_fn__.<locals>.__init__ "
        "_begun_line _header _parse _read_all"
    ),
    "podrun.shim.log_compression": ("Compressor.__init__"),
    "podrun.shim.log_pump": (
        "LogFile.__init__ LogFile._open LogFile.append LogStream.__init__ LogStream.is_held_back "
        "LogStream.is_held_back.<locals>.<genexpr> LogStream.pump LogStream.write _has_long_line _now "
        "format_entries"
    ),
    "podrun.shim.loop": (
        "Loop.__init__ Loop._call Loop._call_due_timers Loop._patience Loop.run Loop.unwatch Loop.watch"
    ),
    "podrun.shim.messages": ("__create_fn__.<locals>.__init__"),
    "podrun.shim.reports": ("Report.__init__ Report._end Report._read Report._read_some"),
    "podrun.shim.run_streams": (
        "RunStreams.__init__ RunStreams._open_pipe RunStreams._pump RunStreams._watch "
        "RunStreams._watch.<locals>.<lambda> RunStreams.open RunStreams.open.<locals>.<genexpr> "
        "RunStreams.started"
    ),
    "podrun.shim.runs": ("Run.__init__ Run._born Run._take_terminal Run.launch"),
    "podrun.shim.sandboxes": ("Sandbox.__init__ Sandbox._born Sandbox._mount Sandbox.make"),
    "podrun.shim.shim": (
        "Shim.__init__ Shim._accept Shim._answer Shim._bury_next Shim._carry_out Shim._forget_ended_runs "
        "Shim._forget_ended_runs.<locals>.<dictcomp> Shim._is_answered Shim._known_answer Shim._launch "
        "Shim._launch.<locals>.<genexpr> Shim._leave_if_empty Shim._living_runs "
        "Shim._living_runs.<locals>.<listcomp> Shim._make_sandbox Shim._newest_attempt "
        "Shim._newest_attempt.<locals>.<listcomp> Shim._record Shim._request Shim._target_of Shim._tell "
        "Shim.run __create_fn__.<locals>.__init__"
    ),
    "podrun.shim.tickets": ("Tickets.__init__"),
    "podrun.shim.wire": (
        "_as _bytes _decoder.<locals>.<lambda> _decoder.<locals>.<lambda>.<locals>.<dictcomp> "
        "_decoder.<locals>.<lambda>.<locals>.<genexpr> _decoder_of _fields_of "
        "_first_that_fits.<locals>.decode_alternative _literal _object _object.<locals>.<dictcomp> "
        "_one_of.<locals>.decode_member _plain _plain.<locals>.<listcomp> _plain_fields "
        "_union_decoder.<locals>.<lambda> decode encode"
    ),
    "posixpath": ("_get_sep dirname join split"),
    "prctl": ("prctl_wrapper.<locals>.call_prctl"),
    "socket": ("socket.__enter__ socket.__exit__ socket.__init__ socket._real_close socket.close"),
}
