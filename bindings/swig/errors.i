/* How a language raises a heroq_error until it has classes of its own: SWIG's exception with the error's text. */
%include <exception.i>
%typemap(argout) heroq_error *err {
  if ($1->code != HEROQ_OK) {
    SWIG_exception(SWIG_RuntimeError, $1->text);
  }
}
