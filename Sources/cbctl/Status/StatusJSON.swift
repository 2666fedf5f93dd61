import CloudburstClient
import CloudburstValues

extension ClusterStatus {
  var json: AnyValue {
    .object([
      "schema": .integer(2), "cluster": .string(cluster), "software": .string(software),
      "available": .bool(isAvailable), "redundancy": Redundancy(self).json,
      "troubles": .array(troubles.map(\.json)), "writeLevel": .string(writeLevel),
      "dataFolder": dataFolder.map(AnyValue.string),
      "uptimeMilliseconds": uptime.jsonMilliseconds,
      "functions": .integer(Int64(functions)), "dags": .integer(Int64(dags)), "calls": calls,
      "executorRestarts": executorRestarts.json, "keys": keys.json,
      "storedBytes": storedBytes.json, "memoryBytes": memoryBytes.json,
      "coldKeys": coldKeys.json, "cachedKeys": cachedKeys.json,
      "cachedBytes": cachedBytes.json, "earlyWrites": earlyWrites.json,
      "earlyWritesEver": earlyWritesEver.json, "unverifiedKeys": unverifiedKeys.json,
      "nodes": .array(nodes.map(\.json)),
      "executors": .array(executors.map(\.json)), "processes": .array(processes.map(\.json)),
      "tier": tier?.json, "members": .array(members.map(\.json)),
    ])
  }

  private var calls: AnyValue {
    .map([
      "running": callsRunning.json, "queued": callsQueued.json, "done": callsDone.json,
      "failed": callsFailed.json, "retried": callsRetried.json,
      "overloaded": callsOverloaded.json, "perSecond": .double(callsPerSecond),
      "failuresPerSecond": .double(failuresPerSecond),
    ])
  }
}

extension ClusterStatus.Trouble {
  fileprivate var json: AnyValue {
    .object([
      "severity": .string(isError ? "error" : "warning"), "place": .string(place),
      "message": .string(message), "hint": hint.map(AnyValue.string),
    ])
  }
}

extension ClusterStatus.Node {
  fileprivate var json: AnyValue {
    .object([
      "name": .string(name), "processID": .integer(Int64(processID)),
      "executorsWanted": .integer(Int64(executorsWanted)),
      "executorRestarts": executorRestarts.json, "cachedKeys": cachedKeys.json,
      "cachedBytes": cachedBytes.json, "cacheBytesMax": cacheBytesMax.json,
      "dirtyBytes": dirtyBytes.json,
      "sharedMemoryFolder": sharedMemoryFolder.map(AnyValue.string),
    ])
  }
}

extension ClusterStatus.Executor {
  fileprivate var json: AnyValue {
    .object([
      "id": .string(id), "node": .string(node), "state": .string(state),
      "function": function.map(AnyValue.string),
      "runningMilliseconds": runningFor?.jsonMilliseconds, "calls": calls.json,
      "processID": .integer(Int64(processID)), "failedStarts": .integer(Int64(failedStarts)),
    ])
  }
}

extension ClusterStatus.Process {
  fileprivate var json: AnyValue {
    .object([
      "role": .string(role), "name": .string(name), "processID": .integer(Int64(processID)),
      "endpoint": endpoint.map(AnyValue.string),
    ])
  }
}

extension ClusterStatus.Tier {
  var json: AnyValue {
    .map([
      "ringEpoch": ringEpoch.json, "settled": .bool(isSettled),
      "copiesConfigured": .integer(Int64(copiesConfigured)),
      "copiesEffective": .integer(Int64(copiesEffective)),
      "storageNodes": .integer(Int64(storageNodes)), "shards": .integer(Int64(shards)),
      "failuresSurvived": .integer(Int64(failuresSurvived)),
    ])
  }
}

extension ClusterStatus.Member {
  var json: AnyValue {
    .object([
      "role": .string(role), "name": .string(name), "incarnation": .string(incarnation),
      "leaseAgeMilliseconds": leaseAge.jsonMilliseconds,
      "processID": .integer(Int64(processID)),
      "endpoints": .array(endpoints.map(AnyValue.string)), "place": place.map(AnyValue.string),
      "clockLeadMilliseconds": clockLead.jsonMilliseconds,
    ])
  }
}

extension UInt64 {
  fileprivate var json: AnyValue { .integer(Int64(clamping: self)) }
}

extension Duration {
  fileprivate var jsonMilliseconds: AnyValue { .integer(Int64(self / .milliseconds(1))) }
}
