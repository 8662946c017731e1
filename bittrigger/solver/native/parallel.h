// Independent work on several processors.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

namespace bittrigger {

// Calls `work(k)` for every k below `count`, as many at the same time as there are processors. Throws what one of them threw.
template <typename Work>
void in_parallel(std::size_t count, const Work& work) {
    std::atomic<std::size_t> next{0};
    const auto take = [&] {
        for (std::size_t k = next++; k < count; k = next++) work(k);
    };
    const std::size_t helpers = std::min<std::size_t>(count, std::max(1U, std::thread::hardware_concurrency())) - (count > 0);
    std::vector<std::future<void>> running;
    for (std::size_t k = 0; k < helpers; ++k) running.push_back(std::async(std::launch::async, take));
    take();
    for (std::future<void>& future : running) future.get();
}

}  // namespace bittrigger
