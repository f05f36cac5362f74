/* Node.js (Node-API). */
%module heroq
%include "errors.i"
%include "heroq.i"
