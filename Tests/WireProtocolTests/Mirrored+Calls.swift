import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf
import WireProtocol

extension Argument: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var argument = Argument(encoding: random.tiny(), value: random.bytes())
    argument.reference = random.bytes()
    return argument
  }

  var mirror: Cloudburst_Argument {
    .with {
      $0.encoding = UInt32(encoding)
      $0.value = Data(value)
      $0.reference = Data(reference)
    }
  }
}

extension DAGInput: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    DAGInput(
      function: random.text(), arguments: random.several { Argument.random(using: &$0) })
  }

  var mirror: Cloudburst_DAGInput {
    .with {
      $0.function = function
      $0.arguments = arguments.map(\.mirror)
    }
  }

  var elementCount: Int { arguments.count }
}

extension Call: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var call = Call()
    call.header = random.bytes()
    call.function = random.text()
    call.arguments = random.several { Argument.random(using: &$0) }
    call.dag = random.text()
    call.inputs = random.several { DAGInput.random(using: &$0) }
    call.accepts = random.small()
    call.submit = random.chance(50)
    call.resultKey = random.bytes()
    return call
  }

  var mirror: Cloudburst_Call {
    .with {
      $0.header = Data(header)
      $0.function = function
      $0.arguments = arguments.map(\.mirror)
      $0.dag = dag
      $0.inputs = inputs.map(\.mirror)
      $0.accepts = accepts
      $0.submit = submit
      $0.resultKey = Data(resultKey)
    }
  }

  var elementCount: Int { inputs.reduce(arguments.count) { $0 + 1 + $1.elementCount } }
}

extension Stage: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var stage = Stage()
    stage.function = random.text()
    stage.bundle = random.bytes()
    stage.arguments = random.several { Argument.random(using: &$0) }
    stage.upstream = random.several { $0.small() }
    return stage
  }

  var mirror: Cloudburst_Stage {
    .with {
      $0.function = function
      $0.bundle = Data(bundle)
      $0.arguments = arguments.map(\.mirror)
      $0.upstream = upstream
    }
  }

  var elementCount: Int { arguments.count + upstream.count }
}

extension Dispatch: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var dispatch = Dispatch()
    dispatch.header = random.bytes()
    dispatch.stages = random.several { Stage.random(using: &$0) }
    dispatch.accepts = random.small()
    return dispatch
  }

  var mirror: Cloudburst_Dispatch {
    .with {
      $0.header = Data(header)
      $0.stages = stages.map(\.mirror)
      $0.accepts = accepts
    }
  }

  var elementCount: Int { stages.reduce(0) { $0 + 1 + $1.elementCount } }
}

extension CallResult: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var result = CallResult()
    result.invocation = random.id()
    result.attempt = random.small()
    result.encoding = random.tiny()
    result.value = random.bytes()
    result.failure = random.maybeFailure()
    result.awaitsRelease = random.chance(50)
    result.runNanoseconds = random.number()
    result.session = random.bytes()
    result.reference = random.bytes()
    return result
  }

  var mirror: Cloudburst_CallResult {
    .with { mirror in
      mirror.invocation = invocation.data
      mirror.attempt = attempt
      mirror.encoding = UInt32(encoding)
      mirror.value = Data(value)
      failure.mirrored { mirror.failure = $0 }
      mirror.awaitsRelease = awaitsRelease
      mirror.runNanoseconds = runNanoseconds
      mirror.session = Data(session)
      mirror.reference = Data(reference)
    }
  }
}

extension CancelCall: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var cancel = CancelCall()
    cancel.invocation = random.id()
    return cancel
  }

  var mirror: Cloudburst_CancelCall { .with { $0.invocation = invocation.data } }
}

extension SessionToken.Entry: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    Self(key: random.key(), version: random.version())
  }

  var mirror: Cloudburst_SessionToken.Entry {
    .with {
      $0.key = key.data
      $0.versionGeneration = version.generation
      $0.versionStamp = version.stamp
    }
  }
}

extension SessionToken: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var token = SessionToken()
    token.entries = random.several { Entry.random(using: &$0) }
    return token
  }

  var mirror: Cloudburst_SessionToken { .with { $0.entries = entries.map(\.mirror) } }
  var elementCount: Int { entries.count }
}
