// Groups of choices with one expert, each of at most SIZE, in no order: neither the experts' nor the
// choices' changes a product.
//   list  the number of groups | for each its expert, and where its choices begin and end | from
//         `order` on the choices, by expert
#version 450

layout(local_size_x = 128) in;
layout(constant_id = 0) const uint SIZE = 16;

layout(binding = 0) readonly buffer Choices { float choice[]; };
layout(binding = 1) writeonly buffer Groups { uint list[]; };
layout(push_constant) uniform Push {
  uint count;    // of choices
  uint experts;  // at most EXPERTS_MAX
  uint used;
  uint order;
};

const uint EXPERTS_MAX = 1024;

shared uint of_expert[EXPERTS_MAX];  // choices; then where the next one is written
shared uint listed, groups;

uint expert_of(uint i) { return uint(choice[i / used * 2 * used + i % used]); }

void main() {
  const uint t = gl_LocalInvocationID.x;
  for (uint e = t; e < experts; e += 128) of_expert[e] = 0;
  if (t == 0) listed = groups = 0;
  barrier();
  for (uint i = t; i < count; i += 128) atomicAdd(of_expert[expert_of(i)], 1);
  barrier();
  for (uint e = t; e < experts; e += 128) {
    const uint own = of_expert[e];
    const uint begin = atomicAdd(listed, own);
    uint group = atomicAdd(groups, (own + SIZE - 1) / SIZE);
    for (uint done = 0; done < own; done += SIZE) {
      list[1 + 3 * group] = e;
      list[2 + 3 * group] = begin + done;
      list[3 + 3 * group] = begin + min(done + SIZE, own);
      ++group;
    }
    of_expert[e] = begin;
  }
  barrier();
  if (t == 0) list[0] = groups;
  for (uint i = t; i < count; i += 128) list[order + atomicAdd(of_expert[expert_of(i)], 1)] = i;
}
