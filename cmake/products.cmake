# What is installed: the library behind include/syncline.h (shared and static), the loadable
# extension, pkg-config and CMake packages, the manual page, and CPack's archives. Each product
# stands once its sources do.
include(GNUInstallDirs)
set(product_dir "${CMAKE_BINARY_DIR}/products")
set(package_dir "${CMAKE_SOURCE_DIR}/packaging")

folder_sources(c_sources bindings/c)
# The variant with a socket in it needs floor 7.
if(NOT TARGET syncline_net)
  list(FILTER c_sources EXCLUDE REGEX "/transport\\.cc$")
endif()
folder_sources(extension_sources bindings/sqlite)

# --- The C library --------------------------------------------------------------------------------
if(c_sources AND EXISTS "${CMAKE_SOURCE_DIR}/include/syncline.h")
  add_library(syncline_shared SHARED ${c_sources})
  set_target_properties(syncline_shared PROPERTIES
    OUTPUT_NAME syncline
    EXPORT_NAME syncline
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${package_dir}/library.map")
  target_include_directories(syncline_shared PUBLIC
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(syncline_shared PRIVATE
    $<BUILD_INTERFACE:syncline_client> $<BUILD_INTERFACE:syncline_core>
    $<BUILD_INTERFACE:syncline_flags> $<BUILD_INTERFACE:syncline_noexcept>)
  # Our SQLite and our C++ stay inside: a host may bring its own.
  target_link_options(syncline_shared PRIVATE
    "LINKER:--exclude-libs,ALL" "LINKER:--version-script=${package_dir}/library.map")
  if(NOT SYNCLINE_SANITIZE)
    target_link_options(syncline_shared PRIVATE "LINKER:--no-undefined")
  endif()
  add_library(syncline::syncline ALIAS syncline_shared)

  # The static library is one object in which everything hidden has become local, so that a program
  # may link it and another SQLite too. Nobody links one with sanitizers.
  set(static_library "${product_dir}/libsyncline.a")
  add_library(syncline_c STATIC ${c_sources})
  target_include_directories(syncline_c PRIVATE include)
  target_link_libraries(syncline_c PUBLIC syncline_client PRIVATE syncline_noexcept)
  add_custom_command(OUTPUT "${static_library}"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${product_dir}"
    COMMAND "${CMAKE_SOURCE_DIR}/packaging/merge-static" "${static_library}"
            $<TARGET_FILE:syncline_c> $<TARGET_FILE:syncline_client> $<TARGET_FILE:syncline_core>
            $<TARGET_FILE:sqlite3>
    DEPENDS syncline_c syncline_client syncline_core sqlite3 packaging/merge-static
    COMMENT "Merging libsyncline.a"
    VERBATIM)
  if(SYNCLINE_SANITIZE)
    add_custom_target(syncline_static DEPENDS "${static_library}")
  else()
    add_custom_target(syncline_static ALL DEPENDS "${static_library}")
  endif()

  install(TARGETS syncline_shared EXPORT syncline_targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES "${static_library}" DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES include/syncline.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  if(EXISTS "${CMAKE_SOURCE_DIR}/include/syncline.hpp")
    install(FILES include/syncline.hpp DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  endif()

  # The packages find the prefix from where they lie, however deep the library folder is, so an
  # installed tree may be moved.
  file(RELATIVE_PATH prefix_from_pkgconfig "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  string(REGEX REPLACE "/$" "" prefix_from_pkgconfig "${prefix_from_pkgconfig}")
  configure_file(packaging/syncline.pc.in "${product_dir}/syncline.pc" @ONLY)
  install(FILES "${product_dir}/syncline.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

  include(CMakePackageConfigHelpers)
  set(cmake_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/syncline)
  configure_package_config_file(packaging/syncline-config.cmake.in
    "${product_dir}/syncline-config.cmake"
    INSTALL_DESTINATION ${cmake_package_dir}
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
  write_basic_package_version_file("${product_dir}/syncline-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
  install(EXPORT syncline_targets NAMESPACE syncline:: DESTINATION ${cmake_package_dir}
    FILE syncline-targets.cmake)
  install(FILES "${product_dir}/syncline-config.cmake"
                "${product_dir}/syncline-config-version.cmake" DESTINATION ${cmake_package_dir})
endif()

# --- The loadable extension: the engine once more, inside the host's SQLite -----------------------
if(extension_sources AND sqlite_sources AND client_sources)
  add_library(syncline_extension MODULE ${sqlite_sources} ${client_sources} ${extension_sources})
  target_compile_definitions(syncline_extension PRIVATE
    SYNCLINE_SQLITE_EXTENSION SYNCLINE_VERSION="${PROJECT_VERSION}")
  # The headers only; SQLite itself is the host's.
  target_include_directories(syncline_extension SYSTEM PRIVATE "${SYNCLINE_SQLITE_DIR}")
  target_link_libraries(syncline_extension PRIVATE
    syncline_core syncline_flags syncline_noexcept)
  target_link_options(syncline_extension PRIVATE
    "LINKER:--exclude-libs,ALL" "LINKER:--version-script=${package_dir}/extension.map")
  if(NOT SYNCLINE_SANITIZE)
    # A host such as Python may have loaded another C++ library.
    target_link_options(syncline_extension PRIVATE
      "LINKER:--no-undefined" -static-libstdc++ -static-libgcc)
  endif()
  set_target_properties(syncline_extension PROPERTIES
    PREFIX "" SUFFIX ".so" OUTPUT_NAME syncline
    LINK_DEPENDS "${package_dir}/extension.map")
  install(TARGETS syncline_extension LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/syncline)
endif()

# --- The program ----------------------------------------------------------------------------------
if(TARGET syncline_cli)
  install(TARGETS syncline_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # Its manual page is made of the same table as its help.
  set(manual_page "${product_dir}/syncline.1")
  add_custom_command(TARGET syncline_cli POST_BUILD
    COMMAND syncline_cli manual > "${manual_page}" VERBATIM)
  install(FILES "${manual_page}" DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

install(FILES packaging/syncline.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES LICENSE CHANGELOG.md README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(SYNCLINE_TESTS AND NOT SYNCLINE_SANITIZE AND TARGET syncline_shared)
  enable_testing()
  add_test(NAME install COMMAND "${CMAKE_SOURCE_DIR}/tests/install/run" "${CMAKE_BINARY_DIR}")
endif()

# --- Archives: cpack in the build folder ----------------------------------------------------------
set(CPACK_GENERATOR "TGZ;DEB")
set(CPACK_PACKAGE_VENDOR "The Syncline developers")
set(CPACK_PACKAGE_CONTACT "The Syncline developers <syncline@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Offline-first sync for SQLite")
set(CPACK_PACKAGE_DESCRIPTION
    "Makes a SQLite database sync: an engine behind a C ABI, and a loadable extension.")
set(CPACK_RESOURCE_FILE_LICENSE "${CMAKE_SOURCE_DIR}/LICENSE")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
