"""The state of a job after a list of events: the definition that a snapshot is tested against.

This is a second implementation on purpose, written from the contract and not from the server.
"""
ENDED = ("completed", "failed", "cancelled")
CLEARABLE = ("note", "progress", "attempt", "heartbeatTimeoutMs", "stalled")


def fold(events):
    """The snapshot of a job from its log, oldest first, without epoch and cursor."""
    job = {"tasks": [], "deliverables": [], "metadata": {}}
    for event in events:
        STEPS[event["type"]](job, event)
        job["seq"] = event["seq"]
        job["updatedAt"] = event["timestamp"]
    return job


def _job_update(job, event):
    job.update({name: event[name] for name in ("status", "title", "metadata") if name in event})
    job["heartbeatTimeoutMs"] = event.get("heartbeatTimeoutMs")
    if event.get("created"):
        job["id"], job["createdAt"] = event["jobId"], event["timestamp"]
        for task in event.get("tasks", []):
            _put_task(job, task["id"], task, event["timestamp"])
    if event["status"] in ENDED:
        job["endedAt"] = event["timestamp"]


def _task_update(job, event):
    _put_task(job, event["taskId"], event, event["timestamp"])


def _put_task(job, name, said, now):
    task = next((task for task in job["tasks"] if task["id"] == name), None)
    if task is None:
        task = {"id": name, "position": len(job["tasks"]), "createdAt": now}
        job["tasks"].append(task)
    task.update(title=said["title"], status=said["status"], updatedAt=now)
    for field in CLEARABLE:
        task.pop(field, None)
        if said.get(field) is not None:
            task[field] = said[field]


def _deliverable(job, event):
    told = {name: event[name] for name in ("title", "url", "mediaType") if name in event}
    job["deliverables"].append({"id": event["deliverableId"], **told,
                                "createdAt": event["timestamp"]})


def _nothing(_job, _event):
    pass


STEPS = {"job_update": _job_update, "task_update": _task_update, "deliverable": _deliverable,
         "command": _nothing}

JOB_FIELDS = ("id", "title", "status", "metadata", "heartbeatTimeoutMs", "seq",
              "createdAt", "updatedAt", "endedAt")
TASK_FIELDS = ("id", "title", "status", "createdAt", "updatedAt", *CLEARABLE)


def essence(job):
    """The fields of a snapshot that follow from the events; tasks in their order."""
    seen = {name: job[name] for name in JOB_FIELDS if job.get(name) is not None}
    tasks = sorted(job["tasks"], key=lambda task: task["position"])
    seen["tasks"] = [{name: task[name] for name in TASK_FIELDS if task.get(name) is not None}
                     for task in tasks]
    seen["deliverables"] = job["deliverables"]
    return seen


def assert_is_fold(snapshot, events):
    """Asserts that `snapshot` is the result of the log up to its seq."""
    upto = [event for event in events if event["seq"] <= snapshot["seq"]]
    assert essence(snapshot) == essence(fold(upto))
