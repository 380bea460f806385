# As Slicer's own, an extension without its description does not configure.
foreach(NAME HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT DEFINED EXTENSION_${NAME})
    message(FATAL_ERROR "EXTENSION_${NAME} is not set")
  endif()
endforeach()
