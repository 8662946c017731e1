// What a model of CMSSW is to its user: the interface of hls4mlEmulatorExtras, in our own words, for the executor `emulator`.
#ifndef BITTRIGGER_CMSSW_INTERFACE_H
#define BITTRIGGER_CMSSW_INTERFACE_H
#include <any>
namespace hls4mlEmulator {
class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};
} // namespace hls4mlEmulator
#endif
