import librosa, numpy as np, soxr
def resample(y, sr_in, sr): return soxr.resample(y, sr_in, sr).astype(np.float32)
class ConstantQ:
    def __init__(self, **kw): self.kw=kw
def cqt_many(sounds, cq):
    out=[]
    for y in sounds:
        if not len(y): out.append(np.zeros((0,192),np.float32)); continue
        k=dict(cq.kw); f=k.pop('filter_scale')
        C=librosa.cqt(y,filter_scale=f,**k)
        out.append(np.abs(C).T.astype(np.float32))
    return out
def log_compress(x,gain=50.0): return np.log1p(gain*x)
