#include "block.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace gradfold::emulation {

namespace {

thread_local Lane* running = nullptr;

constexpr size_t kGranule = 2;  // bytes of a Touch: the smallest number kept in shared memory
constexpr size_t kAlignment = 128;

std::string text_of(Dim3 d) {
  return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")";
}

std::string text_of(const Site& site) {
  return std::string(site.what) + " of " + site.file + ":" + std::to_string(site.line);
}

bool same(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.file, b.file) == 0 && std::strcmp(a.what, b.what) == 0;
}

}  // namespace

Lane& lane() { return *running; }

Block::Block() : shared_(kSharedBytesOf90), touches_(kSharedBytesOf90 / kGranule) {}

std::string Block::place() const { return "thread " + text_of(running->thread) + " of block " + text_of(index); }

void Block::fail(const std::string& what) const { throw Fault(place() + ": " + what); }

/// The first frame of every lane.
void Block::enter() {
  Lane& self = *running;
  try {
    (*self.block->body_)();
    if (!self.block->warpgroup_lanes_[static_cast<size_t>(self.index)].pending.empty())
      self.block->fail("ends with products that it has not waited for");
  } catch (const Fault& fault) {
    self.block->fault_ = fault.what();
  }
  self.state = Lane::State::done;
  for (;;) self.block->wait();
}

/// Hands over to the scheduler, and returns when that resumes this lane.
void Block::wait() {
  Lane* self = running;
  gradfold_switch_fiber(&self->stack_pointer, scheduler_);
  running = self;
}

void Block::run(Dim3 grid_dim, Dim3 block_dim, Dim3 block_index, size_t dynamic_bytes,
                const std::function<void()>& body) {
  grid = grid_dim;
  dim = block_dim;
  index = block_index;
  body_ = &body;
  fault_.clear();
  const int count = static_cast<int>(dim.x * dim.y * dim.z);
  while (stacks_.size() < static_cast<size_t>(count)) stacks_.push_back(std::make_unique<FiberStack>());
  warps_.resize(static_cast<size_t>((count + kWarp - 1) / kWarp));
  for (Warp& warp : warps_) warp.generation = warp.arrived = warp.live = 0;
  lanes_.resize(static_cast<size_t>(count));
  copies_.assign(static_cast<size_t>(count), {});
  warpgroup_lanes_.assign(static_cast<size_t>(count), {});
  warpgroups_.clear();
  warpgroups_.resize(static_cast<size_t>(count / kWarpgroupThreads + 1));
  for (int i = 0; i < count; ++i) {
    const auto u = static_cast<unsigned>(i);
    const Dim3 thread{u % dim.x, u / dim.x % dim.y, u / dim.x / dim.y};
    lanes_[static_cast<size_t>(i)] = {
        this, i, thread, Lane::State::ready, stacks_[static_cast<size_t>(i)]->start(enter), 0};
    ++warps_[static_cast<size_t>(i / kWarp)].live;
  }
  at_barrier_ = 0;
  time_ = 1;
  declared_.clear();
  dynamic_bytes_ = dynamic_bytes;
  // What an earlier block left must not be taken for this one's.
  const size_t left = std::max(shared_used_, dynamic_bytes);
  std::memset(shared_.data(), 0xff, left);
  std::fill_n(touches_.begin(), (left + kGranule - 1) / kGranule, Touch{});
  shared_used_ = (dynamic_bytes + kAlignment - 1) / kAlignment * kAlignment;

  // Warps take turns, every second block from the last to the first, so that no order is taken for granted.
  const bool backwards = (index.x + index.y + index.z) % 2 != 0;
  const int warps = static_cast<int>(warps_.size());
  do {
    for (int w = 0; w < warps && fault_.empty(); ++w) run_warp(backwards ? warps - 1 - w : w);
  } while (fault_.empty() && release());
  if (!fault_.empty()) throw Fault(fault_);
}

/// Runs the lanes of a warp until each is done or waits for the rest of the block.
void Block::run_warp(int w) {
  Warp& warp = warps_[static_cast<size_t>(w)];
  bool any = true;
  while (any) {
    any = false;
    for (int k = 0; k < warp.live; ++k) {
      Lane& next = lanes_[static_cast<size_t>(w * kWarp + k)];
      if (next.state != Lane::State::ready) continue;
      any = true;
      running = &next;
      gradfold_switch_fiber(&scheduler_, next.stack_pointer);
      if (!fault_.empty()) return;
    }
  }
  for (int k = 0; k < warp.live; ++k) {
    const Lane& stuck = lanes_[static_cast<size_t>(w * kWarp + k)];
    if (stuck.state != Lane::State::at_warp) continue;
    fault_ = "block " + text_of(index) + ", warp " + std::to_string(w) + ": only " + std::to_string(warp.arrived) +
             " of " + std::to_string(warp.live) + " threads reached the " + text_of(warp.site);
    return;
  }
}

/// Opens the block's barrier where all threads stand at it; whether there is anything left to run.
bool Block::release() {
  if (at_barrier_ == 0) return false;
  if (at_barrier_ < static_cast<int>(lanes_.size())) {
    fault_ = "block " + text_of(index) + ": only " + std::to_string(at_barrier_) + " of " +
             std::to_string(lanes_.size()) + " threads reached the " + text_of(barrier_site_);
    return false;
  }
  at_barrier_ = 0;
  ++time_;
  for (Lane& one : lanes_) one.state = Lane::State::ready;
  return true;
}

void Block::barrier(const Site& site) {
  if (at_barrier_ == 0) barrier_site_ = site;
  if (!same(site, barrier_site_))
    fail("at the " + text_of(site) + " while others are at the " + text_of(barrier_site_));
  ++at_barrier_;
  running->state = Lane::State::at_block;
  wait();
}

const unsigned char* Block::exchange(const Site& site, const void* value, size_t bytes, Combine combine) {
  Lane& self = *running;
  Warp& warp = warps_[static_cast<size_t>(self.warp())];
  if (warp.live != kWarp)
    fail("a " + std::string(site.what) + " in a warp of " + std::to_string(warp.live) + " threads");
  if (warp.arrived == 0) warp.site = site;
  if (!same(site, warp.site)) fail("at the " + text_of(site) + " while others are at the " + text_of(warp.site));
  const size_t side = warp.generation % 2;
  std::memcpy(warp.slots[side][self.lane()], value, bytes);
  if (++warp.arrived < kWarp) {
    self.state = Lane::State::at_warp;
    wait();
  } else {
    if (combine != nullptr) combine(warp.slots[side], warp.results[side]);
    warp.arrived = 0;
    ++warp.generation;
    for (int k = 0; k < kWarp; ++k) {
      Lane& other = lanes_[static_cast<size_t>(self.warp() * kWarp + k)];
      if (other.state == Lane::State::at_warp) other.state = Lane::State::ready;
    }
  }
  return warp.results[side][self.lane()];
}

void Block::warp_barrier(const Site& site) {
  exchange(site, nullptr, 0, nullptr);
  ++running->warp_phase;
}

unsigned char* Block::shared_array(const void* declaration, size_t bytes, const char* name) {
  for (const Declared& array : declared_)
    if (array.declaration == declaration) return shared_.data() + array.offset;
  const size_t offset = shared_used_;
  if (offset + bytes > shared_limit)
    fail(std::string(name) + " makes shared memory larger than " + std::to_string(shared_limit) + " bytes");
  declared_.push_back({declaration, offset, bytes});
  shared_used_ = (offset + bytes + kAlignment - 1) / kAlignment * kAlignment;
  std::memset(shared_.data() + offset, 0xff, bytes);
  std::fill_n(touches_.begin() + static_cast<std::ptrdiff_t>(offset / kGranule), (bytes + kGranule - 1) / kGranule,
              Touch{});
  return shared_.data() + offset;
}

void Block::note(const void* at, size_t bytes, const char* name, bool write) {
  const Lane& self = *running;
  const size_t first = static_cast<size_t>(static_cast<const unsigned char*>(at) - shared_.data()) / kGranule;
  const auto me = static_cast<int16_t>(self.index);
  // A warp's own barrier orders its lanes; only the block's orders warps.
  const auto ordered = [&](int warp, uint32_t phase) { return warp == self.warp() && phase < self.warp_phase; };
  for (size_t g = first; g < first + (bytes + kGranule - 1) / kGranule; ++g) {
    Touch& touch = touches_[g];
    if (touch.written_at == time_ && touch.writer != me && !ordered(touch.writer / kWarp, touch.written_phase))
      fail(std::string(write ? "writes" : "reads") + " a number of " + name + " that thread " +
           std::to_string(touch.writer) + " wrote with no barrier between");
    if (write) {
      if (touch.read_at == time_ && touch.reader != me && !ordered(touch.reader_warp, touch.read_phase))
        fail(std::string("writes a number of ") + name + " that thread " + std::to_string(touch.reader) +
             " read with no barrier between");
      touch.written_at = time_;
      touch.written_phase = self.warp_phase;
      touch.writer = me;
      touch.written_fence = warpgroup_lanes_[static_cast<size_t>(self.index)].proxy_fences;
    } else if (touch.read_at != time_) {
      touch.read_at = time_;
      touch.read_phase = self.warp_phase;
      touch.reader = me;
      touch.reader_warp = static_cast<int16_t>(self.warp());
    } else if (touch.reader_warp != self.warp()) {
      touch.reader = touch.reader_warp = -2;
    } else {
      if (touch.reader != me) touch.reader = -1;
      touch.read_phase = std::max(touch.read_phase, self.warp_phase);
    }
  }
}

void Block::check_proxy(uint32_t byte) const {
  const Touch& touch = touches_[byte / kGranule];
  if (touch.written_at == 0) return;
  if (warpgroup_lanes_[static_cast<size_t>(touch.writer)].proxy_fences <= touch.written_fence)
    fail("the tensor cores read what thread " + std::to_string(touch.writer) + " wrote with no fence to them since");
}

void Block::copy_async(unsigned char* to, const void* from, size_t bytes, bool valid, const char* name) {
  note_write(to, bytes, name);
  Copies& copies = copies_[static_cast<size_t>(running->index)];
  PendingCopy copy{to, {}, bytes, copies.committed};
  if (valid) std::memcpy(copy.bytes, from, bytes);
  std::memset(to, 0xff, bytes);  // nothing to be read before the copy has been waited for
  copies.pending.push_back(copy);
}

void Block::commit_copies() { ++copies_[static_cast<size_t>(running->index)].committed; }

void Block::wait_copies(int groups_left) {
  Copies& copies = copies_[static_cast<size_t>(running->index)];
  const auto arrives = [&](const PendingCopy& copy) { return copy.group < copies.committed - groups_left; };
  for (const PendingCopy& copy : copies.pending) {
    if (!arrives(copy)) continue;
    std::memcpy(copy.to, copy.bytes, copy.count);
    for (size_t byte = 0; byte < copy.count; byte += kGranule)
      touches_[(shared_byte(copy.to) + byte) / kGranule].written_fence =
          warpgroup_lanes_[static_cast<size_t>(running->index)].proxy_fences;
  }
  copies.pending.erase(std::remove_if(copies.pending.begin(), copies.pending.end(), arrives), copies.pending.end());
}

void run_grid(Dim3 grid, Dim3 block, size_t dynamic_bytes, const std::function<void()>& body) {
  const auto refuse = [](const std::string& what) { throw Fault("a launch of " + what); };
  const uint64_t threads = uint64_t{block.x} * block.y * block.z, blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (threads == 0 || threads > 1024) refuse(std::to_string(threads) + " threads a block");
  if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) refuse("the grid " + text_of(grid));
  if (dynamic_bytes > shared_limit) refuse(std::to_string(dynamic_bytes) + " bytes of shared memory");
  std::mutex mutex;
  std::string fault;
#pragma omp parallel if (blocks > 1)
  {
    static thread_local Block runner;
#pragma omp for schedule(dynamic)
    for (uint64_t b = 0; b < blocks; ++b) {
      const Dim3 index{static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                       static_cast<unsigned>(b / grid.x / grid.y)};
      try {
        runner.run(grid, block, index, dynamic_bytes, body);
      } catch (const Fault& one) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (fault.empty()) fault = one.what();
      }
    }
  }
  if (!fault.empty()) throw Fault(fault);
}

}  // namespace gradfold::emulation
