import ClusterModel
import ControlProtocol
import Foundation
import SwiftProtobuf

@testable import WireProtocol

extension ReplicaWord: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var word = ReplicaWord()
    word.kind = Kind.allCases.randomElement(using: &random) ?? .none
    word.epoch = random.number()
    word.key = Key(trusted: random.bytes())
    word.record = random.bytes()
    word.replicas = random.several { $0.text() }
    word.number = random.number()
    word.requests = random.number()
    word.isServing = random.chance(50)
    return word
  }

  var mirror: Cloudburst_ReplicaWord {
    .with {
      $0.kind = kind.rawValue
      $0.epoch = epoch
      $0.key = Data(key.bytes)
      $0.record = Data(record)
      $0.replicas = replicas
      $0.number = number
      $0.requests = requests
      $0.isServing = isServing
    }
  }

  var elementCount: Int { replicas.count }
}

extension HotKeyList.Entry: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var entry = HotKeyList.Entry()
    entry.hash = random.number()
    entry.replicas = random.several { $0.text() }
    return entry
  }

  var mirror: Cloudburst_HotKeyList.Entry {
    .with {
      $0.hash = hash
      $0.replicas = replicas
    }
  }

  var elementCount: Int { replicas.count }
}

extension HotKeyList: Mirrored {
  static func random(using random: inout SeededGenerator) -> Self {
    var list = HotKeyList()
    list.epoch = random.number()
    list.keys = random.several { Entry.random(using: &$0) }
    return list
  }

  var mirror: Cloudburst_HotKeyList {
    .with {
      $0.epoch = epoch
      $0.keys = keys.map(\.mirror)
    }
  }

  var elementCount: Int { keys.count }
}
