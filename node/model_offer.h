// What a node tells the mesh of a model that it has: all that the planner must know to cut it.
#pragma once

#include "node/model_store.h"
#include "transport/message.h"

namespace weft::node {

// Of a model whose header is there.
transport::ModelOffer offer_of(const StoredModel& stored);

}  // namespace weft::node
