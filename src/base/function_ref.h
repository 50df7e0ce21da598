#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace syncline {

template <typename Signature>
class FunctionRef;

// What is called while the call that takes it lasts: nothing is copied or kept, so it is for
// parameters only. Where a callable outlives the call, that is std::function's work.
template <typename Answer, typename... Arguments>
class FunctionRef<Answer(Arguments...)> {
 public:
  template <typename Callable,
            std::enable_if_t<!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef> &&
                                 std::is_object_v<std::remove_reference_t<Callable>> &&
                                 std::is_invocable_r_v<Answer, Callable&, Arguments...>,
                             int> = 0>
  // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
  FunctionRef(Callable&& callable)
      : callable_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Answer {
          return (*static_cast<std::add_pointer_t<Callable>>(object))(
              std::forward<Arguments>(arguments)...);
        }) {}

  Answer operator()(Arguments... arguments) const {
    return call_(callable_, std::forward<Arguments>(arguments)...);
  }

 private:
  void* callable_;
  Answer (*call_)(void* object, Arguments... arguments);
};

}  // namespace syncline
